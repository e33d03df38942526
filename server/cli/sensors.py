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
        rows = [_row(item) for item in found]
        output.table(["NAME", "AGE", "DEPENDENCIES", "TRIGGERS"], rows, "No sensors applied")


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
