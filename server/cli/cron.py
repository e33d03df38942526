"""`bireme cron list|get|suspend|resume`; `preview` and `backfill` stand in cron_times.py."""

from typing import Any

import click

from server.cli import cron_times, options, output
from server.cli.client import Client, segment


@click.group("cron", short_help="List, show, suspend and resume CronWorkflows.")
def cron() -> None:
    """CronWorkflows: what runs when."""


cron.add_command(cron_times.preview)
cron.add_command(cron_times.backfill)


def _path(client: Client, name: str = "") -> str:
    return f"/api/v1/cron-workflows/{client.namespace}" + (f"/{segment(name)}" if name else "")


@cron.command("list")
@options.engine
@options.output
def list_(client: Client, form: str | None) -> None:
    """List CronWorkflows with their next run.

    \b
    Examples:
      bireme cron list
    """
    found = client.get(_path(client))["items"]
    if output.items(found, form):
        return
    header = ["NAME", "AGE", "LAST RUN", "NEXT RUN", "SCHEDULES", "TIMEZONE", "SUSPENDED"]
    output.table(header, [_row(item) for item in found], "No cron workflows found")


def _row(item: dict[str, Any]) -> list[str]:
    spec, status = item["spec"], item.get("status") or {}
    suspended = bool(spec.get("suspend"))
    upcoming = status.get("nextScheduledTimes") or []
    return [
        item["metadata"]["name"],
        output.age(item["metadata"].get("creationTimestamp")),
        output.age(status.get("lastScheduledTime")),
        "-" if suspended or not upcoming else _local(upcoming[0]),
        ", ".join(spec.get("schedules") or [spec.get("schedule") or ""]),
        spec.get("timezone") or "",
        "true" if suspended else "false",
    ]


def _local(text: str) -> str:
    at = output.moment(text)
    return output.local_time(at.timestamp()) if at else "-"


@cron.command("get")
@click.argument("name")
@options.engine
@options.output
def get(client: Client, name: str, form: str | None) -> None:
    """Show a CronWorkflow, its state and its next runs.

    \b
    Examples:
      bireme cron get nightly
    """
    found = client.get(_path(client, name))
    if form in ("json", "yaml", "name"):
        output.values(found, form) if form != "name" else click.echo(name)
        return
    spec, status = found["spec"], found.get("status") or {}
    rows = {
        "Name": name,
        "Namespace": found["metadata"].get("namespace", ""),
        "Schedules": ", ".join(spec.get("schedules") or [spec.get("schedule") or ""]),
        "Timezone": spec.get("timezone") or "",
        "Suspended": str(bool(spec.get("suspend"))).lower(),
        "StartingDeadlineSeconds": spec.get("startingDeadlineSeconds", ""),
        "ConcurrencyPolicy": spec.get("concurrencyPolicy") or "Allow",
        "LastScheduledTime": status.get("lastScheduledTime") or "",
        "NextScheduledTimes": ", ".join(
            _local(text) for text in status.get("nextScheduledTimes") or ()
        ),
        "Active Workflows": ", ".join(a["name"] for a in status.get("active") or ()),
    }
    for title, value in rows.items():
        if value != "":
            click.echo(f"{title + ':':<26} {value}")
    for condition in status.get("conditions") or ():
        click.echo(f"{condition['type']}: {condition.get('message', '')}")


def _switch(client: Client, names: tuple[str, ...], operation: str, said: str) -> None:
    for name in names:
        client.call("PUT", f"{_path(client, name)}/{operation}", {})
        click.echo(f"CronWorkflow '{name}' {said}")


@cron.command("suspend")
@click.argument("names", nargs=-1, required=True)
@options.engine
def suspend(client: Client, names: tuple[str, ...]) -> None:
    """Start nothing any more until resumed.

    \b
    Examples:
      bireme cron suspend nightly
    """
    _switch(client, names, "suspend", "suspended")


@cron.command("resume")
@click.argument("names", nargs=-1, required=True)
@options.engine
def resume(client: Client, names: tuple[str, ...]) -> None:
    """Run on schedule again.

    \b
    Examples:
      bireme cron resume nightly
    """
    _switch(client, names, "resume", "resumed")
