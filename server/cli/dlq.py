"""`bireme dlq list|get|redrive|discard`: firings that are dead, and events that could not be evaluated."""

from typing import Any

import click

from server.cli import held, options, output
from server.cli.client import Client, segment

_API = "/api/v1/bireme"


@click.group("dlq", short_help="Dead firings and failed events: drive again or discard.")
def dlq() -> None:
    """What went wrong for good: firings out of attempts, and events whose evaluation failed (ids that begin with q)."""


@dlq.command("list")
@click.option("--sensor", default="", help="Only those of this sensor.")
@options.newest
@options.engine
@options.output
def list_(client: Client, sensor: str, limit: int, following: str, form: str | None) -> None:
    """List dead firings and failed events, newest first.

    \b
    Examples:
      bireme dlq list
      bireme dlq list --limit 50 --continue 1767225600.5,q1c9e...
      bireme dlq list --sensor ci -o name | xargs bireme dlq redrive
    """
    query = {
        "namespace": client.namespace,
        "sensor": sensor,
        "limit": limit + 1,
        "continue": following,
    }
    dead = client.get(f"{_API}/firings", **query, status="dead")["items"]
    failed = client.get(f"{_API}/quarantine", **query)["items"]
    newest = sorted([*dead, *failed], key=lambda item: (-item["createdAt"], item["id"]))
    found = output.page(newest, limit)
    if not output.items(found, form, name="id"):
        header = ["ID", "WHAT", "SENSOR", "TRIGGER", "SINCE", "WHY"]
        output.table(
            header,
            [_row(item, form == "wide") for item in found],
            "Nothing is dead, nothing has failed",
        )


def _row(item: dict[str, Any], wide: bool) -> list[str]:
    what = f"event {item['seq']}" if "seq" in item else "firing"
    why = (item.get("reason") or item.get("error") or "").splitlines() or [""]
    trigger = item["trigger"] or item.get("dependency", "")
    return [
        item["id"],
        what,
        item["sensor"],
        trigger,
        output.local_time(item["updatedAt"]),
        why[0] if wide else why[0][:100],
    ]


@dlq.command("get")
@click.argument("id")
@options.engine
@options.output
def get(client: Client, id: str, form: str | None) -> None:
    """Show a dead firing or a failed event with all that is known about it.

    \b
    Examples:
      bireme dlq get q1c9e...
    """
    if not _is_event(id):
        held.show(client, id, form)
        return
    found = client.get(_path(id))
    if form in ("json", "yaml"):
        output.values(found, form)
        return
    if form == "name":
        click.echo(found["id"])
        return
    click.echo(
        f"event {found['seq']} at sensor {found['namespace']}/{found['sensor']}: {found['reason']}"
    )
    click.echo(f"  {found['path']}" + (f", line {found['line']}" if found["line"] else ""))
    click.echo(
        f"  tried {found['attempts']} time(s); bireme explain event {found['seq']} shows the rest"
    )


@dlq.command("redrive")
@click.argument("ids", nargs=-1, required=True)
@options.engine
def redrive(client: Client, ids: tuple[str, ...]) -> None:
    """Act on dead firings again; evaluate failed events anew, with their sensors as they are now.

    \b
    Examples:
      bireme dlq redrive q1c9e... 6f1c0a...
    """
    for id in ids:
        made = client.call("PUT", f"{_path(id)}/redrive", {})
        outcomes = [f"{d['outcome']}: {d['reason']}" for d in made.get("decisions", ())]
        click.echo(f"{id} driven again" + (f": {'; '.join(outcomes)}" if outcomes else ""))


@dlq.command("discard")
@click.argument("ids", nargs=-1, required=True)
@options.engine
def discard(client: Client, ids: tuple[str, ...]) -> None:
    """Take dead firings and failed events off the list; the decisions stay.

    \b
    Examples:
      bireme dlq discard q1c9e...
    """
    for id in ids:
        client.call("PUT", f"{_path(id)}/discard", {}, {"by": held.person()})
        click.echo(f"{id} discarded")


def _is_event(id: str) -> bool:
    return id.startswith("q")


def _path(id: str) -> str:
    return f"{_API}/{'quarantine' if _is_event(id) else 'firings'}/{segment(id)}"
