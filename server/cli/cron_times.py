"""`bireme cron preview|backfill`: the moments of a schedule, to come and past."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from server.cli import files, options, output
from server.cli.client import Client, segment

MOMENT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"])
_EACH = "%a %Y-%m-%d %H:%M:%S %Z"


@click.command("preview", short_help="Say when a schedule fires next.")
@click.argument("what")
@click.option("-c", "--count", default=5, help="How many moments.")
@click.option("--timezone", default="", help="Zone of a schedule given as text.")
@click.option("--from", "start", type=MOMENT, help="From this moment on instead of now.")
@options.plain_output
@click.option("-n", "--namespace", default="", help="Namespace (default: 'default').")
@click.option("--token", default="", help="Bearer token of the engine.")
@click.option("-s", "--server", default="", help="URL of the engine.")
def preview(
    what: str, count: int, timezone: str, start: datetime | None, form: str | None, **engine: str
) -> None:
    """Say in words when WHAT fires, and the next moments. WHAT is a schedule, a manifest's file, or an applied name.

    \b
    Examples:
      bireme cron preview "30 2 * * 1-5" --timezone Europe/Berlin
      bireme cron preview nightly.yaml
      bireme cron preview nightly --count 10
    """
    start = _aware(start)
    if " " in what or what.startswith("@"):
        found = [_planned({"schedules": [what], "timezone": timezone}, start, count)]
    elif os.path.exists(what):
        crons = [one for one in files.read(what) if one.kind == "CronWorkflow"]
        if not crons:
            raise click.ClickException(f"{what} holds no CronWorkflow")
        found = [
            _planned(one.manifest["spec"], start, count, one.manifest, one.title) for one in crons
        ]
    else:
        from server.cli import client

        found = [_ask(client.connect(**engine), what, start, count)]
    if form:
        output.values([plan.plain() for plan in found], form)
        return
    for plan in found:
        plan.show()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a schedule says, and the moments it means."""

    title: str
    words: list[str]
    times: list[datetime]
    timezone: str

    def plain(self) -> dict[str, Any]:
        times = [at.isoformat() for at in self.times]
        return {"words": self.words, "timezone": self.timezone or "UTC", "times": times}

    def show(self) -> None:
        if self.title:
            click.echo(click.style(self.title, bold=True))
        for text in self.words:
            click.echo(text)
        _list(self.times, self.timezone)


def _planned(
    spec: dict[str, Any],
    start: datetime | None,
    count: int,
    cron: dict[str, Any] | None = None,
    title: str = "",
) -> _Plan:
    from bireme.kit.errors import BiremeError
    from bireme.lang import cron_words
    from controller import calendar, schedule
    from controller.templates import TemplateShelf

    try:
        rest = calendar.holidays(cron, TemplateShelf()) if cron is not None else None
        table = schedule.timetable(spec, rest)
        words = [cron_words.words(text) for text in table.schedules]
        times = schedule.next_times(table, start or datetime.now(UTC), count)
    except BiremeError as error:
        raise click.ClickException(str(error)) from error
    return _Plan(title, words, times, spec.get("timezone") or "")


def _ask(client: Client, name: str, start: datetime | None, count: int) -> _Plan:
    path = f"/api/v1/cron-workflows/{client.namespace}/{segment(name)}"
    asked = {"count": count, "from": start.isoformat() if start else ""}
    found = client.call("GET", f"{path}/preview", query=asked)
    spec = client.get(path)["spec"]
    times = [output.moment(text) for text in found["times"]]
    return _Plan("", found["words"], [at for at in times if at], spec.get("timezone") or "")


def _list(times: list[datetime], timezone: str) -> None:
    """Each moment in the schedule's own zone, and how far away it is."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(timezone) if timezone else UTC
    now = datetime.now(UTC)
    rows = [
        [at.astimezone(zone).strftime(_EACH), _distance((at - now).total_seconds())] for at in times
    ]
    for moment, distance in rows:
        click.echo(f"  {moment}   {distance}")
    if not rows:
        click.echo("  never")


def _distance(seconds: float) -> str:
    return (
        f"in {output.long_span(seconds)}" if seconds >= 0 else f"{output.long_span(-seconds)} ago"
    )


@click.command("backfill", short_help="Run what a schedule would have run in a past span.")
@click.argument("name")
@click.option("--start", type=MOMENT, required=True, help="Moments after this one …")
@click.option("--end", type=MOMENT, required=True, help="… up to this one.")
@click.option("--dry-run", is_flag=True, help="Only list what would run.")
@click.option("--parallel", is_flag=True, help="All at once instead of one after the other.")
@click.option("--name", "mutex", default="", help="Name of the mutex they share unless parallel.")
@click.option("--argname", default="cronScheduleTime", help="Parameter that gets the moment.")
@click.option(
    "--format", "layout", default="Mon, 02 Jan 2006 15:04:05 MST", help="Go layout of the moment."
)
@click.option("--maxworkflowcount", default=1000, help="At most so many.")
@options.engine
@click.option("-o", "--output", "form", type=click.Choice(["json", "yaml"]))
def backfill(
    client: Client, name: str, start: datetime, end: datetime, form: str | None, **asked: Any
) -> None:
    """Create a run for each moment of NAME's schedules between --start and --end that has none yet.

    \b
    Examples:
      bireme cron backfill nightly --start 2026-01-01 --end 2026-01-31 --dry-run
    """
    begin, until = _aware(start), _aware(end)
    assert begin is not None
    assert until is not None
    body = {
        "start": begin.isoformat(), "end": until.isoformat(), "dryRun": asked["dry_run"],
        "parallel": asked["parallel"], "name": asked["mutex"], "argname": asked["argname"],
        "format": asked["layout"], "maxWorkflowCount": asked["maxworkflowcount"],
    }  # fmt: skip
    path = f"/api/v1/cron-workflows/{client.namespace}/{segment(name)}/backfill"
    found = client.call("POST", path, body)
    if form:
        output.values(found, form)
        return
    rows = [[item["name"], item["scheduledTime"], item["state"]] for item in found["items"]]
    output.table(["NAME", "SCHEDULED", "STATE"], rows, "no scheduled moment in that span")
    if found["more"]:
        click.echo("there are more moments in that span: go on from the last one", err=True)


def _aware(at: datetime | None) -> datetime | None:
    """A time without zone is UTC."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
