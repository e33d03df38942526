"""`bireme watch` and `bireme wait`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click

from server.cli import get, options, tree
from server.cli.client import Client, Failed, segment

FINAL = ("Succeeded", "Failed", "Error")


@click.command("watch", short_help="Follow the tree of a workflow until it ends.")
@click.argument("name")
@options.engine
def watch(client: Client, name: str) -> None:
    """Follow a workflow until it has ended; the exit code is 0 only if it succeeded.

    \b
    Examples:
      bireme watch @latest
    """
    found = follow(client, name)
    sys.exit(0 if phase_of(found) == "Succeeded" else 1)


@click.command("wait", short_help="Wait until workflows have ended.")
@click.argument("names", nargs=-1, required=True)
@options.engine
@click.option("--ignore-not-found", is_flag=True, help="A workflow that is gone is no error.")
def wait(client: Client, names: tuple[str, ...], ignore_not_found: bool) -> None:
    """Wait until workflows have ended; the exit code is 0 only if all succeeded.

    \b
    Examples:
      bireme wait @latest && echo done
    """
    succeeded = True
    for name in names:
        try:
            found = until_over(client, name)
        except Failed as error:
            if error.status == 404 and ignore_not_found:
                continue
            raise
        phase, at = phase_of(found), (found["status"] or {}).get("finishedAt", "")
        click.echo(f"{found['metadata']['name']} {phase} at {at}")
        succeeded = succeeded and phase == "Succeeded"
    sys.exit(0 if succeeded else 1)


def changes(client: Client, name: str) -> Iterator[dict[str, Any]]:
    """The workflow now and after each change. Raises Failed when there is none of that name."""
    found = client.get(f"/api/v1/workflows/{client.namespace}/{segment(name)}")
    selector = f"metadata.name={found['metadata']['name']}"
    path = f"/api/v1/workflow-events/{client.namespace}"
    for change in client.stream(path, **{"listOptions.fieldSelector": selector}):
        if change["type"] == "DELETED":
            raise Failed(f"workflow {name} was deleted", 404)
        yield change["object"]


@contextmanager
def _unless_left(name: str) -> Iterator[None]:
    """Says, to who stops watching, that the workflow is not stopped by it."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"workflow {name} goes on without being watched", err=True)
        raise


def until_over(client: Client, name: str) -> dict[str, Any]:
    """The workflow once it has ended."""
    with _unless_left(name):
        for found in changes(client, name):
            if phase_of(found) in FINAL:
                return found
    raise Failed("the engine ended the watch; ask again with 'bireme get'")


def follow(client: Client, name: str, draw: "Drawing | None" = None) -> dict[str, Any]:
    """Show the workflow at each change until it has ended; the workflow as it ended."""
    draw = draw or drawer()
    try:
        with _unless_left(name):
            for found in changes(client, name):
                draw.show(found)
                if phase_of(found) in FINAL:
                    break
    finally:
        draw.leave()
    draw.close(found)
    return found


def phase_of(workflow: dict[str, Any]) -> str:
    return str((workflow.get("status") or {}).get("phase") or "Pending")


class Drawing(Protocol):
    """How a workflow is shown while it runs."""

    def show(self, workflow: dict[str, Any]) -> None: ...
    def close(self, workflow: dict[str, Any]) -> None: ...
    def leave(self) -> None:
        """Give the terminal back, whatever happened; `close` may follow."""


class Lines:
    """One line per change of a step: `✔ checkout Succeeded`. For pipes and logs, or standard error."""

    def __init__(self, *, to_error: bool = False) -> None:
        self._to_error = to_error
        self._seen: dict[str, str] = {}

    def show(self, workflow: dict[str, Any]) -> None:
        nodes = (workflow.get("status") or {}).get("nodes") or {}
        for node in sorted(nodes.values(), key=_leaves_first):
            phase = node.get("phase") or "Pending"
            if phase != "Pending" and self._seen.get(node["id"]) != phase:
                self._seen[node["id"]] = phase
                icon = tree.ICONS.get(phase, ("?", ""))[0]
                message = f": {node['message']}" if node.get("message") else ""
                click.echo(f"{icon} {node['name']} {phase}{message}", err=self._to_error)

    def close(self, workflow: dict[str, Any]) -> None:
        click.echo(f"{workflow['metadata']['name']} {phase_of(workflow)}", err=self._to_error)

    def leave(self) -> None:
        """A line is whole as soon as it is written."""


def _leaves_first(node: dict[str, Any]) -> bool:
    return node.get("type") in ("Steps", "DAG", "Retry", "StepGroup", "TaskGroup")


class Whole:
    """The finished tree only."""

    def show(self, workflow: dict[str, Any]) -> None:
        """Nothing until it has ended."""

    def close(self, workflow: dict[str, Any]) -> None:
        get.show(workflow)

    def leave(self) -> None:
        """Nothing has been drawn."""


class Terminal:
    """The whole tree, drawn in place; it stays when the workflow has ended."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(auto_refresh=False, transient=True)
        self._live.start()

    def show(self, workflow: dict[str, Any]) -> None:
        from rich.text import Text

        lines = [*tree.header(workflow), "", *tree.steps(workflow)]
        drawn = Text.from_ansi("\n".join(lines), no_wrap=True, overflow="ellipsis")
        self._live.update(drawn, refresh=True)

    def close(self, workflow: dict[str, Any]) -> None:
        self.leave()
        get.show(workflow)

    def leave(self) -> None:
        self._live.stop()


def drawer(*, result_only: bool = False, lines: bool = False) -> Drawing:
    """What suits this process: the tree in a terminal, lines in a pipe, lines on standard error beside a result."""
    if result_only:
        return Lines(to_error=True)
    return Terminal() if _can_be_drawn_on() and not lines else Lines()


def whole() -> Drawing:
    """The tree while it grows in a terminal, the finished tree in a pipe."""
    return Terminal() if _can_be_drawn_on() else Whole()


def _can_be_drawn_on() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
