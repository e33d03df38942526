"""A sensor tried on given events: what each would do. Nothing is written and nothing acts. Pure, given its Scripts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bireme.kit.errors import BiremeError
from bireme.lang.script import NO_SCRIPTS, Scripts
from events.model import Event
from sensors.errors import BadSensor
from sensors.evaluate import step
from sensors.model import Decision, Fire, Origin, Sensor, SensorState
from sensors.ports import Trigger
from sensors.view import View


@dataclass(frozen=True, slots=True)
class Tried:
    """One event, what was decided about it, what it would fire, and how dependencies with a transform saw it."""

    event: Event
    decisions: tuple[Decision, ...]
    fires: tuple[Fire, ...]
    seen: dict[str, bytes]


def trial(
    sensor: Sensor, events: Sequence[Event], now: datetime, scripts: Scripts = NO_SCRIPTS
) -> Iterator[Tried]:
    """The events in their order, the sensor remembering as it goes. `seq` of the events rises from 1."""
    state = SensorState()
    fired: set[str] = set()
    for event in events:
        view = View(event, scripts)
        made = step(sensor, state, event, now, view)
        state = made.state
        fires = tuple(fire for fire in made.fires if fire.id not in fired)
        fired |= {fire.id for fire in fires}
        yield Tried(event, made.decisions, fires, _seen(sensor, view))


def _seen(sensor: Sensor, view: View) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    event = view.event
    for dependency in sensor.routes.get((event.source, event.subject), ()):
        try:
            data = dependency.transform(view).event.data
        except BadSensor:
            continue  # a decision says so
        if data is not event.data:
            found[dependency.name] = data
    return found


def shown(
    tried: Tried, sensor: Sensor, triggers: Mapping[str, Trigger], at: float
) -> dict[str, Any]:
    """A trial as plain JSON values; each firing with what its trigger would be given."""
    event = tried.event
    return {
        "event": {
            "id": event.id,
            "source": event.source,
            "subject": event.subject,
            "seq": event.seq,
        },
        "seen": {name: msgspec.json.decode(data) for name, data in tried.seen.items()},
        "decisions": [_decision(decision) for decision in tried.decisions],
        "firings": [_firing(fire, sensor, triggers, at) for fire in tried.fires],
    }


def _decision(decision: Decision) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(decision)
    return {**plain, "detail": msgspec.json.decode(decision.detail)}


def _firing(
    fire: Fire, sensor: Sensor, triggers: Mapping[str, Trigger], at: float
) -> dict[str, Any]:
    rule = fire.rule
    origin = Origin(sensor.namespace, sensor.name, rule.name, at)
    made: dict[str, Any] = {
        "id": fire.id,
        "trigger": rule.name,
        "kind": rule.kind,
        "events": {name: event.id for name, event in fire.events.items()},
    }
    try:
        spec = triggers[rule.kind].prepare(rule.definition, fire.events, origin)
    except KeyError:
        return {**made, "error": f"this engine has no trigger of the kind '{rule.kind}'"}
    except BiremeError as error:
        return {**made, "error": str(error)}
    return {**made, "spec": spec}
