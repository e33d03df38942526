"""What a trigger remembers between events, without what no longer counts."""

from bireme.lang import cron
from sensors.evaluate.evaluation import Evaluation, at
from sensors.model import Outcome, Place, StoredEvent, TriggerRule, TriggerState

NEW = TriggerState()


def remembered(work: Evaluation, rule: TriggerRule) -> TriggerState:
    """The trigger's state with everything dropped, in the open, that no longer counts."""
    if rule.name in work.kept.triggers:
        return work.kept.triggers[rule.name]
    state = work.state.triggers.get(rule.name, NEW)
    if state.stored:
        state = _without_outdated(work, rule, state)
    if state.stored and rule.resets:
        state = _without_expired(work, rule, state)
    work.kept.triggers[rule.name] = state
    return state


def forget_removed(work: Evaluation) -> None:
    """What waited for triggers the sensor no longer has is dropped, in the open: put back later, they begin anew."""
    for name in work.state.triggers.keys() - work.sensor.triggers.keys():
        stored = work.state.triggers[name].stored
        for dependency, kept in stored.items():
            place = Place(name, dependency, "spec.triggers", 0)
            work.decide("superseded", "the trigger was taken out", place, kept.event.seq)
        if stored:
            work.kept.triggers[name] = NEW
            work.kept.changed.add(name)


def with_stored(rule: TriggerRule, stored: dict[str, StoredEvent], slot: float) -> TriggerState:
    return TriggerState(rule.written, rule.definitions, stored, slot)


def _without_outdated(work: Evaluation, rule: TriggerRule, state: TriggerState) -> TriggerState:
    # Without a written condition every dependency is meant: one more of them leaves what waits alone, as upstream.
    if state.condition and state.condition != rule.written:
        gone = dict.fromkeys(state.stored, "the trigger's condition was changed")
    else:
        gone = {
            name: "the dependency's definition was changed"
            for name in state.stored
            if state.definitions.get(name) != rule.definitions.get(name)
        }
    return _drop(work, rule, state, gone, "superseded")


def _without_expired(work: Evaluation, rule: TriggerRule, state: TriggerState) -> TriggerState:
    """Resets need no timer: what was gathered before the latest tick is dropped when next looked at."""
    ticks = [cron.previous_before(r.cron, work.now, r.timezone or None) for r in rule.resets]
    latest = max((tick.timestamp() for tick in ticks if tick), default=0.0)
    gone = {
        name: "conditionsReset ticked before the condition held"
        for name, kept in state.stored.items()
        if kept.at < latest
    }
    return _drop(work, rule, state, gone, "expired")


def _drop(
    work: Evaluation, rule: TriggerRule, state: TriggerState, gone: dict[str, str], outcome: Outcome
) -> TriggerState:
    for name, why in gone.items():
        work.decide(outcome, why, at(name, rule), state.stored[name].event.seq)
    if not gone:
        return state
    work.kept.changed.add(rule.name)
    kept = {name: stored for name, stored in state.stored.items() if name not in gone}
    return with_stored(rule, kept, state.next_slot)
