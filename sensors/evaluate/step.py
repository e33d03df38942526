"""One event at one sensor: which dependencies it belongs to, what their filters say, who is offered it."""

from collections.abc import Iterable
from datetime import datetime

from events.model import Event
from sensors.errors import BadSensor
from sensors.evaluate import conditions, firing, join, memory
from sensors.evaluate.evaluation import Evaluation, Offer, at, encode
from sensors.model import Dependency, Place, Sensor, SensorState, Step, TriggerRule
from sensors.transform import unchanged
from sensors.view import View


def step(
    sensor: Sensor,
    state: SensorState,
    event: Event,
    now: datetime,
    view: View | None = None,
    again: tuple[str, str] | None = None,
) -> Step:
    """What `event` does to `sensor`: decisions for every dependency it belongs to, and the firings they lead to.

    The event must be one that `sensor.routes` knows; an event at or before `state.position` changes nothing. `view`
    spares parsing the event again when many sensors look at it. `again` evaluates an event of the past anew, for one
    dependency and, if named, one trigger of it only.
    """
    work, given = Evaluation(sensor, state, now), view or View(event)
    if again is not None:
        return _anew(work, given, *again)
    if event.seq and event.seq <= state.position:
        place = Place("", "", "spec", 0)
        work.decide("deduplicated", f"event {event.seq} was evaluated before", place, event.seq)
        return Step(state, tuple(work.decisions))
    for rule in sensor.broken:
        work.decide("error", rule.broken, at("", rule), event.seq)
    if state.triggers:
        memory.forget_removed(work)
    found = sensor.routes.get((event.source, event.subject), ())
    if len(found) == 1:  # as for most, and faster
        offer = _judge(work, found[0], given)
        if offer is not None:
            for rule in found[0].triggers:
                _give(work, rule, offer)
    else:
        for rule, offer in _in_turn(work, found, given):
            _give(work, rule, offer)
    return work.result(event.seq if event.seq > state.position else state.position)


def _anew(work: Evaluation, view: View, dependency: str, trigger: str) -> Step:
    """For one dependency and trigger, or for all of them where no name is given."""
    event = view.event
    for rule in work.sensor.broken if not dependency else ():
        if trigger in ("", rule.name):
            work.decide("error", rule.broken, at("", rule), event.seq)
    memory.forget_removed(work)
    routes = work.sensor.routes.get((event.source, event.subject), ())
    found = [one for one in routes if dependency in ("", one.name)]
    for rule, offer in _in_turn(work, found, view):
        if trigger in ("", rule.name):
            _give(work, rule, offer)
    return work.result(max(event.seq, work.state.position))


def _in_turn(
    work: Evaluation, found: Iterable[Dependency], view: View
) -> list[tuple[TriggerRule, Offer]]:
    """Who is offered what. An event of several dependencies comes to a trigger in the order its condition names them:
    whether it completes the one or the other branch depends on it.
    """
    judged = [(dependency, _judge(work, dependency, view)) for dependency in found]
    pairs = [(rule, offer) for one, offer in judged if offer is not None for rule in one.triggers]
    pairs.sort(key=lambda pair: (pair[0].index, pair[0].names.index(pair[1].name)))
    return pairs


def _judge(work: Evaluation, dependency: Dependency, given: View) -> Offer | None:
    """What the triggers of the dependency are offered; None, and a decision, when they are not."""
    try:
        changes = dependency.transform
        view = given if changes is unchanged else changes(given)
    except BadSensor as error:
        work.decide("error", str(error), dependency.place(error.path), given.event.seq)
        return None
    verdict = dependency.judge(view)
    if verdict.passed and not verdict.error:
        return Offer(dependency.name, view.event, view, verdict)
    path = verdict.path
    work.decide(
        "error" if verdict.error else "filtered",
        verdict.reason,
        dependency.place(f"filters.{path}" if path else "filters"),
        view.event.seq,
        detail=encode({"checks": verdict.checks}),
    )
    return None


def _give(work: Evaluation, rule: TriggerRule, offer: Offer) -> None:
    if rule.is_plain:
        firing.at_once(work, rule, offer)
    else:
        _offer(work, rule, offer)


def _offer(work: Evaluation, rule: TriggerRule, offer: Offer) -> None:
    before = work.mark() if rule.is_keyed else None
    try:
        if rule.join is not None:
            join.take(work, rule, rule.join, offer)
        elif rule.is_stateful:
            conditions.take(work, rule, offer)
        else:
            firing.pursue(work, rule, {offer.name: (offer.event,)}, firing.PASSED, offer)
    except BadSensor as error:
        if before is not None:
            work.back_to(before)
        path = f"spec.triggers[{rule.index}].template.{error.path}"
        place = Place(rule.name, offer.name, path, work.sensor.line(path) or rule.line)
        work.decide("error", str(error), place, offer.event.seq)
