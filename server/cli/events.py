"""`bireme events list|get|tail|discard|sources`."""

import json
import re
from typing import Any

import click

from server.cli import options, output
from server.cli.client import Client, segment


@click.group("events", short_help="List, show and follow accepted events.")
def events() -> None:
    """Events that were accepted, and the sources they come from."""


@events.command("list")
@options.engine
@options.output
@click.option("--source", default="", help="Only those of this EventSource.")
@click.option("--limit", type=int, default=50, help="At most that many, newest last.")
@click.option("--poison", is_flag=True, help="Messages that could be no event, instead.")
def list_(client: Client, form: str | None, source: str, limit: int, poison: bool) -> None:
    """List the last events, or the messages that could be none and were set aside.

    \b
    Examples:
      bireme events list --source github
      bireme events list --poison
    """
    query = {"namespace": client.namespace, "source": source, "limit": limit}
    if poison:
        _list_poison(client.get("/api/v1/bireme/poison", **query)["items"], form)
        return
    found = client.get("/api/v1/bireme/events", **query)["items"]
    if form in ("json", "yaml"):
        output.values(found, form)
    elif form == "name":
        for item in found:
            click.echo(item["id"])
    else:
        header = ["SEQ", "RECEIVED", "SOURCE", "EVENT", "ID", *["DATA"] * (form == "wide")]
        output.table(header, [_row(e, form == "wide") for e in found], "No events yet")


def _list_poison(found: list[dict[str, Any]], form: str | None) -> None:
    if output.items(found, form, name="id"):
        return
    header = ["ID", "SINCE", "SOURCE", "EVENT", "BYTES", "TIMES", "WHERE", "WHY"]
    output.table(header, [_poison_row(one) for one in found], "No message was set aside")


def _poison_row(one: dict[str, Any]) -> list[Any]:
    where = " ".join(f"{name}={value}" for name, value in one["place"].items())
    since = output.local_time(one["createdAt"])
    row = [one["id"], since, one["source"], one["subject"], one["bytes"], one["times"]]
    return [*row, where, _short(one["reason"])]


def _row(event: dict[str, Any], wide: bool) -> list[Any]:
    row = [
        event["seq"],
        output.local_time(event["receivedAt"]),
        event["source"],
        event["subject"],
        event["id"],
    ]
    return [*row, _short(event.get("data"))] if wide else row


def _short(data: Any) -> str:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"


@events.command("get")
@click.argument("event")
@options.engine
@options.output
def get(client: Client, event: str, form: str | None) -> None:
    """Show one event: its id, its number in the log, or @latest; or a message that was set aside, by its id.

    \b
    Examples:
      bireme events get @latest
    """
    kind = "poison" if _is_poison(event) else "events"
    found = client.get(f"/api/v1/bireme/{kind}/{segment(event)}")
    if form == "name":
        click.echo(found["id"])
        return
    output.values(found, "json" if form == "json" else "yaml")


@events.command("discard")
@click.argument("ids", nargs=-1, required=True)
@options.engine
def discard(client: Client, ids: tuple[str, ...]) -> None:
    """Throw away messages that were set aside.

    \b
    Examples:
      bireme events discard p1c9e...
    """
    for id in ids:
        client.call("DELETE", f"/api/v1/bireme/poison/{segment(id)}")
        click.echo(f"{id} discarded")


def _is_poison(id: str) -> bool:
    return re.fullmatch("p[0-9a-f]{23}", id) is not None


@events.command("tail")
@options.engine
@options.output
@click.option("--source", default="", help="Only those of this EventSource.")
def tail(client: Client, form: str | None, source: str) -> None:
    """Print events as they come, until interrupted.

    \b
    Examples:
      bireme events tail -o json | jq .data
    """
    query = {"namespace": client.namespace, "source": source}
    for event in client.stream("/api/v1/bireme/stream/events", **query):
        if form == "json":
            click.echo(json.dumps(event, ensure_ascii=False))
        elif form == "yaml":
            output.values(event, "yaml")
            click.echo("---")
        elif form == "name":
            click.echo(event["id"])
        else:
            at = output.local_time(event["receivedAt"])
            place = click.style(f"{event['source']}/{event['subject']}", fg="cyan")
            click.echo(f"{event['seq']}  {at}  {place}  {_short(event.get('data'))}")


@events.command("rewind")
@click.argument("source", metavar="SOURCE/EVENT")
@click.option(
    "--to", required=True, help="`beginning`, an offset, or a time (2026-01-02T03:04:05Z)."
)
@options.engine
def rewind(client: Client, source: str, to: str) -> None:
    """Have a source read again from an earlier place. What it reads again are new events, and fire again.

    \b
    Examples:
      bireme events rewind orders/message --to beginning
      bireme events rewind orders/message --to 2026-01-02T03:04:05Z
    """
    name, separator, event = source.partition("/")
    if not separator:
        raise click.BadParameter(
            f"expected SOURCE/EVENT, found '{source}'", param_hint="SOURCE/EVENT"
        )
    path = f"/api/v1/event-sources/{client.namespace}/{segment(name)}/rewind"
    client.call("PUT", path, {"event": event, "to": to})
    click.echo(f"{name}/{event} reads again from {to}")


@events.command("sources")
@options.engine
@options.output
def sources(client: Client, form: str | None) -> None:
    """List the EventSources and how they do.

    \b
    Examples:
      bireme events sources
    """
    found = client.get(f"/api/v1/event-sources/{client.namespace}")["items"]
    if output.items(found, form):
        return
    rows = [_source_row(event) for item in found for event in item["status"]["events"]]
    header = [
        "NAME",
        "EVENT",
        "KIND",
        "STATE",
        "ACCEPTED",
        "FILTERED",
        "FAILED",
        "POISON",
        "REFUSED",
        "LAST",
        "MESSAGE",
    ]
    output.table(header, rows, "No event sources applied")


def _source_row(event: dict[str, Any]) -> list[Any]:
    state = click.style(event["state"], fg="green" if event["state"] == "listening" else "red")
    counts = [event[name] for name in ("accepted", "filtered", "failed", "poison", "refused")]
    last = output.age(event.get("lastEventAt"))
    row = [event["name"], event["subject"], event["kind"], state, *counts]
    refusal = f"last refused: {event['lastRefusal']}" if event["refused"] else ""
    return [*row, last, event["error"] or refusal]
