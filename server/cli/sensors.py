"""`bireme sensors list|get|test`."""

from typing import Any

import click

from server.cli import explain, options, output
from server.cli.client import Client, segment
from server.cli.trial import test


@click.group("sensors", short_help="List and show sensors and what they decided.")
def sensors() -> None:
    """Sensors: what they wait for and what they start."""


sensors.add_command(test)


@sensors.command("list")
@options.engine
@options.output
def list_(client: Client, form: str | None) -> None:
    """List sensors.

    \b
    Examples:
      bireme sensors list
    """
    found = client.get(f"/api/v1/sensors/{client.namespace}")["items"]
    if not output.items(found, form):
        path = f"/api/v1/bireme/sensor-counts/{client.namespace or '-'}"
        counts = client.get(path)["sensors"]
        rows = [[*_row(item), _counted(counts.get(_key(item), {}))] for item in found]
        header = ["NAME", "AGE", "DEPENDENCIES", "TRIGGERS", "FIRINGS"]
        output.table(header, rows, "No sensors applied")


@sensors.command("workers")
@options.engine
@options.output
def workers(client: Client, form: str | None) -> None:
    """List the sensor workers of a fleet, with the sensors each holds.

    \b
    Examples:
      bireme sensors workers
      bireme sensors workers -o json
    """
    found = client.get("/api/v1/bireme/workers")
    held: dict[str, list[str]] = {}
    for lease in found["leases"]:
        held.setdefault(lease["worker"], []).append(lease["sensor"])
    items = [{**item, "sensors": held.get(item["worker"], [])} for item in found["items"]]
    if not output.items(items, form, name="worker"):
        rows = [
            [i["worker"], output.local_time(i["since"]), ", ".join(i["sensors"])] for i in items
        ]
        output.table(["WORKER", "SINCE", "SENSORS"], rows, "No workers: the engine decides itself")
    if nobody := held.get(""):
        click.echo(f"held by nobody yet: {', '.join(nobody)}", err=True)


def _key(item: dict[str, Any]) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"


def _row(item: dict[str, Any]) -> list[str]:
    spec = item["spec"]
    waits = [f"{d['eventSourceName']}/{d['eventName']}" for d in spec.get("dependencies") or ()]
    starts = [(t.get("template") or {}).get("name", "") for t in spec.get("triggers") or ()]
    created = item["metadata"].get("creationTimestamp")
    return [item["metadata"]["name"], output.age(created), ", ".join(waits), ", ".join(starts)]


@sensors.command("get")
@click.argument("name")
@options.engine
@options.output
def get(client: Client, name: str, form: str | None) -> None:
    """Show a sensor and its last decisions.

    \b
    Examples:
      bireme sensors get ci
    """
    found = client.get(f"/api/v1/sensors/{client.namespace}/{segment(name)}")
    if form in ("json", "yaml"):
        output.values(found, form)
        return
    if form == "name":
        click.echo(name)
        return
    header = ["NAME", "AGE", "DEPENDENCIES", "TRIGGERS"]
    output.table(header, [_row(found)])
    click.echo()
    path = f"/api/v1/bireme/explain/sensor/{client.namespace}/{segment(name)}"
    explain.show_sensor(client.get(path))
    _show_state(client.get(f"/api/v1/bireme/sensor-state/{client.namespace}/{segment(name)}"))


def _show_state(state: dict[str, Any]) -> None:
    click.echo(f"  firings: {_counted(state['counts'])}")
    for kept in state["conditions"]:
        click.echo(
            f"  {kept['trigger']}: event {kept['seq']} of {kept['dependency']} waits for '{kept['condition']}'"
        )
    for kept in state["keys"]:
        click.echo(
            f"  {kept['trigger']} {kept['kind']} key '{kept['key']}': {_kept(kept)}; "
            f"next looked at {output.local_time(kept['dueAt'])}"
        )
    for failed in state["failed"]:
        click.echo(f"  failed event {failed['seq']} ({failed['id']}): {failed['reason']}")


def _kept(kept: dict[str, Any]) -> str:
    if kept.get("waiting"):
        return ", ".join(f"event {w['seq']} of {w['dependency']}" for w in kept["waiting"])
    if kept["kind"] == "slots":
        running, queue = kept.get("running") or (), kept.get("queue") or ()
        return f"{len(running)} running, {len(queue)} queued"
    return f"{kept['count']} fired" if "count" in kept else f"fired as {kept.get('fired')}"
