"""`bireme sensors test`: a sensor tried on events from files, without an engine."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bireme.kit.errors import NotFound, UserError
from events.model import Event
from server.cli import output
from server.cli.files import read
from server.objects.check import Checked, nearest_line

Json = dict[str, Any]


@click.command("test", short_help="Try a sensor on events from files, without an engine.")
@click.argument("path", type=click.Path(exists=True, allow_dash=True))
@click.option("--sensor", "name", default="", help="Which one, when the file holds several.")
@click.option(
    "--event", "given", multiple=True, required=True, metavar="[DEPENDENCY=]FILE", help="An event."
)
@click.option("--at", default="", metavar="TIME", help="The time it is, like 2026-01-31T22:00:00Z.")
@click.option("-o", "--output", "form", type=click.Choice(["pretty", "json", "yaml"]))
def test(path: str, name: str, given: tuple[str, ...], at: str, form: str | None) -> None:
    """Say what a sensor would do with events, and by which line and values. Nothing is stored and nothing acts.

    A file holds a CloudEvent in JSON, what `bireme events get -o json` prints, or a bare payload; DEPENDENCY= says what
    a payload is. Several events come in the order given, and the sensor remembers as it goes. Exits with 1 when an
    event could not be evaluated.

    \b
    Examples:
      bireme sensors test sensor.yaml --event push.json
      bireme sensors test sensor.yaml --event order=order.json --event customer=customer.json
    """
    try:
        tried = list(_trial(_chosen(path, name), given, _moment(at)))
    except UserError as error:
        raise click.ClickException(str(error)) from error
    if form in ("json", "yaml"):
        output.values(tried, form)
    else:
        for one in tried:
            _show(one)
    failed = any(decision["outcome"] == "error" for one in tried for decision in one["decisions"])
    sys.exit(
        1 if failed or any("error" in firing for one in tried for firing in one["firings"]) else 0
    )


def _moment(at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(UTC)
    except ValueError as error:
        raise click.BadParameter(
            "expected a time like 2026-01-31T22:00:00Z", param_hint="--at"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _chosen(path: str, name: str) -> Checked:
    found = [one for one in read(path) if one.kind == "Sensor" and name in ("", one.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found)
    why = f"{path} holds several sensors: {names}; choose one by --sensor NAME"
    raise click.ClickException(why if found else f"{path} holds no Sensor {name}".rstrip())


def _trial(chosen: Checked, given: Sequence[str], now: datetime) -> Iterator[Json]:
    from bireme.sandbox.run import Sandbox
    from sensors import compile, trial
    from sensors.registry import triggers

    sensor = compile.sensor(chosen.manifest, lambda path: nearest_line(chosen.lines, path))
    events = [_event(text, chosen.manifest, n, now) for n, text in enumerate(given, 1)]
    kinds = {rule.kind for rule in sensor.triggers.values() if rule.kind in triggers}
    actors = {kind: triggers[kind](_surroundings()) for kind in kinds}
    sandbox = Sandbox()
    try:
        for tried in trial.trial(sensor, events, now, sandbox):
            yield trial.shown(tried, sensor, actors, now.timestamp())
    finally:
        sandbox.close()


def _event(text: str, manifest: Json, number: int, now: datetime) -> Event:
    from server import given_events

    places = {
        item["name"]: (item["eventSourceName"], item["eventName"])
        for item in manifest["spec"].get("dependencies") or ()
    }
    dependency, equals, file = text.partition("=")
    if not equals or (dependency not in places and Path(text).exists()):
        dependency, file = "", text
    if dependency and dependency not in places:
        known = ", ".join(places) or "none"
        raise given_events.BadGivenEvent(f"no dependency '{dependency}'; there is: {known}")
    only = next(iter(places.values())) if len(set(places.values())) == 1 else None
    content = sys.stdin.buffer.read() if file == "-" else _bytes(file)
    return given_events.event(content, places.get(dependency, only), number, now)


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from error


class _Nowhere:
    """Secrets and workflows of a trial: there are none."""

    def __getattr__(self, name: str) -> Any:
        raise NotFound("a trial has no secrets and no workflows")


def _surroundings() -> Any:
    from bireme.kit.clock import SystemClock
    from bireme.kit.ids import RandomIds
    from sensors.surroundings import Surroundings

    nowhere: Any = _Nowhere()
    return Surroundings(clock=SystemClock(), ids=RandomIds(), workflows=nowhere, secrets=nowhere)


def _show(tried: Json) -> None:
    event = tried["event"]
    title = f"event {event['seq']}  {event['source']}/{event['subject']}  {event['id']}"
    click.echo(click.style(title, bold=True))
    for name, data in tried["seen"].items():
        click.echo(f"  {name} sees {_short(data)}")
    for decision in tried["decisions"]:
        click.echo(_sentence(decision))
        _checks(decision)
    if not tried["decisions"]:
        click.echo("  no dependency of the sensor listens to it")
    for firing in tried["firings"]:
        _firing(firing)


def _sentence(decision: Json) -> str:
    who = " ".join(part for part in (decision["dependency"], decision["trigger"]) if part)
    line = f", line {decision['line']}" if decision["line"] else ""
    return f"  {output.coloured(decision['outcome'])} {who}: {decision['reason']} ({decision['path']}{line})"


def _checks(decision: Json) -> None:
    checks = decision["detail"].get("checks") or ()
    rows = [
        [
            click.style("✔", fg="green") if check.get("passed") else click.style("✖", fg="red"),
            check.get("path", ""),
            check.get("field", ""),
            _short(check.get("error") or check.get("saw", "")),
            _short(check.get("wanted", "")),
        ]
        for check in checks
    ]
    if rows:
        output.table(
            ["     ", "CHECK", "FIELD", "SAW", "WANTED"], [["    " + r[0], *r[1:]] for r in rows]
        )


def _firing(firing: Json) -> None:
    click.echo(f"  → {firing['trigger']} would act: {firing['kind']}")
    if "error" in firing:
        click.echo(f"    {click.style('error', fg='red')}: {firing['error']}")
        return
    import yaml

    text = yaml.safe_dump(firing["spec"], sort_keys=False, allow_unicode=True)
    click.echo("".join(f"    {line}\n" for line in text.splitlines()), nl=False)


def _short(value: Mapping[str, Any] | str) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
