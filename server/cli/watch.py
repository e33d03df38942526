"""`bireme watch` and `bireme wait`."""

import sys
from collections.abc import Iterator
from typing import Any

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


def until_over(client: Client, name: str) -> dict[str, Any]:
    """The workflow once it has ended."""
    for found in changes(client, name):
        if phase_of(found) in FINAL:
            return found
    raise Failed("the engine ended the watch; ask again with 'bireme get'")


def follow(client: Client, name: str, *, whole: bool = False) -> dict[str, Any]:
    """Draw the tree again at each change in a terminal; in a pipe print one line per step that changes.

    With `whole`, a pipe gets the finished tree too.
    """
    draw = drawer()
    for found in changes(client, name):
        draw.show(found)
        if phase_of(found) in FINAL:
            break
    draw.close(found)
    if whole and isinstance(draw, Lines):
        get.show(found)
    return found


def phase_of(workflow: dict[str, Any]) -> str:
    return str((workflow.get("status") or {}).get("phase") or "Pending")


class Lines:
    """One line per change of a step: `✔ checkout Succeeded`. For pipes and logs."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def show(self, workflow: dict[str, Any]) -> None:
        nodes = (workflow.get("status") or {}).get("nodes") or {}
        for node in nodes.values():
            phase = node.get("phase") or "Pending"
            if (
                node.get("type") in ("StepGroup", "TaskGroup")
                or self._seen.get(node["id"]) == phase
            ):
                continue
            self._seen[node["id"]] = phase
            icon = tree.ICONS.get(phase, ("?", ""))[0]
            message = f": {node['message']}" if node.get("message") else ""
            click.echo(f"{icon} {node['name']} {phase}{message}", err=self.to_error)

    to_error = False

    def close(self, workflow: dict[str, Any]) -> None:
        click.echo(f"{workflow['metadata']['name']} {phase_of(workflow)}", err=self.to_error)


class LinesOnError(Lines):
    """The same on standard error, when standard output is for the result alone."""

    to_error = True


class _Terminal:
    """The whole tree, drawn in place."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(auto_refresh=False, transient=True)
        self._live.start()

    def show(self, workflow: dict[str, Any]) -> None:
        from rich.text import Text

        lines = [*tree.header(workflow), "", *tree.steps(workflow)]
        self._live.update(Text.from_ansi("\n".join(lines)), refresh=True)

    def close(self, workflow: dict[str, Any]) -> None:
        self._live.stop()
        get.show(workflow)


def drawer(*, result_only: bool = False, lines: bool = False) -> "Lines | _Terminal":
    """What suits this process: the tree in a terminal, lines in a pipe, lines on standard error beside a result."""
    if result_only:
        return LinesOnError()
    return _Terminal() if sys.stdout.isatty() and not lines else Lines()
