"""From the evaluator's wish to the firing the outbox keeps: parameters resolved, its dlqTrigger's firing with it."""

from sensors import compile
from sensors.model import Fire, Firing, Origin, Sensor
from sensors.outbox import Outbox


def prepare(outbox: Outbox, sensor: Sensor, fire: Fire, at: float) -> Firing | Exception:
    """The firing with everything its trigger needs, or why there can be none.

    A dlqTrigger that cannot be prepared does not keep its trigger from acting: its firing is without `spec`.
    """
    rule = fire.rule
    origin = Origin(sensor.namespace, sensor.name, rule.name, at)
    try:
        spec = outbox.trigger(rule.kind).prepare(rule.definition, fire.events, origin)
    except Exception as error:  # noqa: BLE001 - a trigger that cannot be prepared is dead, not fatal
        return error
    return Firing(
        id=fire.id, namespace=sensor.namespace, sensor=sensor.name, trigger=rule.name,
        kind=rule.kind, spec=spec, event_ids={name: event.id for name, event in fire.events.items()},
        retry=rule.retry, on_dead=_dead_letter(outbox, sensor, fire, at), slot=fire.slot,
    )  # fmt: skip


def unprepared(outbox: Outbox, sensor: Sensor, fire: Fire, at: float, error: str = "") -> Firing:
    """The firing with the events themselves instead of what its trigger needs, and `error` as the reason."""
    rule = fire.rule
    return Firing(
        id=fire.id, namespace=sensor.namespace, sensor=sensor.name, trigger=rule.name,
        kind=rule.kind, spec=None, events=fire.events, retry=rule.retry, slot=fire.slot,
        event_ids={name: event.id for name, event in fire.events.items()}, unready=error,
        on_dead=_dead_letter(outbox, sensor, fire, at),
    )  # fmt: skip


def _dead_letter(outbox: Outbox, sensor: Sensor, fire: Fire, at: float) -> Firing | None:
    rule = compile.dead_letter(fire.rule)
    if rule is None:
        return None
    wish = Fire(f"{fire.id}-dlq", rule, fire.events)
    made = prepare(outbox, sensor, wish, at)
    if isinstance(made, Exception):
        return unprepared(outbox, sensor, wish, at, f"{rule.name} cannot be prepared: {made}")
    return made
