"""`bireme explain event|sensor|workflow`: the rows of the way from event to workflow, as sentences."""

from typing import Any

import click

from server.cli import options, output
from server.cli.client import Client, segment

Json = dict[str, Any]


@click.group("explain", short_help="Say why something did or did not happen.")
def explain() -> None:
    """Say why something did or did not happen: which event, which sensor, which line, which values, which workflow."""


@explain.command("event")
@click.argument("event")
@options.engine
@options.output
def event(client: Client, event: str, form: str | None) -> None:
    """What became of an event: its id, its number in the log, or @latest.

    \b
    Examples:
      bireme explain event @latest
    """
    found = client.get(f"/api/v1/bireme/explain/event/{segment(event)}")
    if form in ("json", "yaml"):
        output.values(found, form)
    else:
        show_event(found)


@explain.command("sensor")
@click.argument("name")
@options.engine
@options.output
def sensor(client: Client, name: str, form: str | None) -> None:
    """What a sensor decided lately, and what it has waiting or dead.

    \b
    Examples:
      bireme explain sensor ci
    """
    path = f"/api/v1/bireme/explain/sensor/{client.namespace}/{segment(name)}"
    found = client.get(path)
    if form in ("json", "yaml"):
        output.values(found, form)
    else:
        show_sensor(found)


@explain.command("workflow")
@click.argument("name")
@click.option("--events", is_flag=True, help="Also list what happened, as Argo's events tell it.")
@options.engine
@options.output
def workflow(client: Client, name: str, events: bool, form: str | None) -> None:
    """Where a workflow comes from, and why it is as it is; with --events also all that happened, step by step.

    \b
    Examples:
      bireme explain workflow @latest
      bireme explain workflow nightly-x7k2p --events
    """
    path = f"/api/v1/bireme/explain/workflow/{client.namespace}/{segment(name)}"
    found = client.get(path)
    if events:
        place = f"/api/v1/bireme/workflow-events/{client.namespace}/{segment(name)}"
        found["events"] = client.get(place)["items"]
    if form in ("json", "yaml"):
        output.values(found, form)
    else:
        show_workflow(found)


def show_event(found: Json) -> None:
    event = found["event"]
    _title(f"event {event['seq']}  {event['source']}/{event['subject']}  {event['id']}")
    click.echo(f"  received {output.local_time(event['receivedAt'])}, type {event['type']}")
    if hint := _hint(event.get("data")):
        click.echo(f"  {click.style('note', fg='yellow')}: {hint}")
    for sensor in found["sensors"]:
        click.echo(f"  sensor {sensor['sensor']}")
        for decision in sensor["decisions"]:
            _decision(decision, "    ")
    for name in found["withoutDecision"]:
        click.echo(f"  sensor {name} listens to it but has not seen it yet")
    if not found["sensors"] and not found["withoutDecision"]:
        place = f"{event['source']}/{event['subject']}"
        click.echo(f"  no sensor listens to {place}: add a dependency on it to a Sensor")


def _hint(data: Any) -> str:
    """What curl does with -d alone: JSON that was sent as a form has become the name of a field."""
    body = data.get("body") if isinstance(data, dict) else None
    if isinstance(body, dict) and any(name.lstrip()[:1] in ("{", "[") for name in body):
        return "the body was sent as a form; JSON needs the header 'Content-Type: application/json'"
    return ""


def show_sensor(found: Json) -> None:
    _title(f"sensor {found['sensor']}")
    for problem in found["problems"]:
        click.echo(f"  {click.style('problem', fg='red')}: {problem}")
    for heard in found["listens"]:
        mark = "listens to" if heard["isHeard"] else click.style("cannot hear", fg="red")
        click.echo(f"  {mark} {heard['event']}: {heard['says']}")
    counts = ", ".join(f"{count} {output.coloured(o)}" for o, count in found["outcomes"].items())
    click.echo(f"  last decisions: {counts or 'none yet'}")
    for decision in found["decisions"][-20:]:
        _decision(decision, "    ", with_event=True)
    for firing in found["open"]:
        click.echo(
            f"  firing {firing['id']} of {firing['trigger']}: {output.coloured(firing['status'])},"
            f" {firing['attempts']} attempt(s) {firing['error']}"
        )


def show_workflow(found: Json) -> None:
    workflow = found["workflow"]
    _title(f"workflow {workflow['namespace']}/{workflow['name']}  {workflow['phase']}")
    click.echo(f"  {found['origin']}")
    for cause in found["causes"]:
        event = cause.get("event")
        if event:
            click.echo(
                f"  event {event['seq']}  {event['source']}/{event['subject']}  {event['id']}"
            )
        _decision(cause, "    ")
    for node in found["nodes"]:
        message = f": {node['message']}" if node["message"] else ""
        if node["phase"] == "Running":
            message = f" for {output.age(node['startedAt'])}{message}"
        click.echo(f"  {output.coloured(node['phase'])}  {node['name']}{message}")
    for event in found.get("events") or ():
        _event(event)


def _event(event: Json) -> None:
    colour = "yellow" if event["type"] == "Warning" else None
    click.echo(f"  {event['time']}  {click.style(event['reason'], fg=colour)}  {event['message']}")


def _title(text: str) -> None:
    click.echo(click.style(text, bold=True))


def _decision(decision: Json, indent: str, *, with_event: bool = False) -> None:
    place = f" ({decision['path']}" if decision["path"] else ""
    if place:
        place += f", line {decision['line']})" if decision["line"] else ")"
    who = " ".join(part for part in (decision["dependency"], decision["trigger"]) if part)
    who += f" by {decision['worker']}" if decision.get("worker") else ""
    number = f"event {decision['seq']} " if with_event and decision["seq"] else ""
    click.echo(
        f"{indent}{number}{output.coloured(decision['outcome'])} {who}: {decision['reason']}{place}"
    )
    for check in (decision.get("detail") or {}).get("checks") or ():
        if not check.get("passed"):
            _check(check, indent + "  ")
    _lineage(decision.get("detail") or {}, indent + "  ")
    if decision.get("result"):
        click.echo(f"{indent}  → {decision['result']}")


def _lineage(detail: Json, indent: str) -> None:
    """With what an event was joined or gathered, under which key, what was missing, and by what it was replaced."""
    if detail.get("key"):
        click.echo(f"{indent}key: {detail['key']}")
    if detail.get("missing"):
        click.echo(f"{indent}missing: {', '.join(detail['missing'])}")
    if detail.get("by"):
        number = f" (event {detail['byEvent']})" if detail.get("byEvent") else ""
        click.echo(f"{indent}by: {detail['by']}{number}")
    for name, ids in (detail.get("events") or {}).items():
        shown = ids if isinstance(ids, str) else ", ".join(ids)
        click.echo(f"{indent}with {name}: {shown}")


def show_firing(found: Json) -> None:
    """A firing: the events and decisions that led to it, and what came of it."""
    firing = found["firing"]
    _title(f"firing {firing['id']}  {firing['namespace']}/{firing['sensor']} {firing['trigger']}")
    for cause in found["causes"]:
        event = cause.get("event")
        if event:
            click.echo(
                f"  event {event['seq']}  {event['source']}/{event['subject']}  {event['id']}"
            )
        _decision(cause, "    ")
    click.echo(f"  → {found['result']}")


def _check(check: Json, indent: str) -> None:
    field = check.get("field") or check.get("path") or ""
    if check.get("error"):
        click.echo(f"{indent}{field}: {check['error']}")
    else:
        click.echo(f"{indent}{field}: saw {check.get('saw', '')}, wanted {check.get('wanted', '')}")
