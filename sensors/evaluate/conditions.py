"""Argo's conditions: the newest event of each dependency is remembered until the condition holds."""

from events.model import Event
from sensors.evaluate import firing
from sensors.evaluate.evaluation import Evaluation, Offer, at, encode
from sensors.evaluate.memory import remembered, with_stored
from sensors.model import StoredEvent, TriggerRule, TriggerState


def take(work: Evaluation, rule: TriggerRule, offer: Offer) -> None:
    """Fire if the condition holds with this event, else remember it."""
    state = remembered(work, rule)
    stored = state.stored
    if rule.satisfied(frozenset((*stored, offer.name))):
        events: dict[str, tuple[Event, ...]] = {n: (kept.event,) for n, kept in stored.items()}
        events[offer.name] = (offer.event,)
        work.remember(rule, with_stored(rule, {}, state.next_slot))
        firing.pursue(work, rule, events, f"'{rule.condition}' holds", offer)
        return
    _wait(work, rule, offer, state)


def _wait(work: Evaluation, rule: TriggerRule, offer: Offer, state: TriggerState) -> None:
    event, place = offer.event, at(offer.name, rule)
    older = state.stored.get(offer.name)
    if older is not None and older.event.id == event.id:
        work.decide("deduplicated", "the same event waits already", place, event.seq)
        return
    if older is not None:
        reason = f"the newer event {event.id} takes its place while the condition waits"
        work.decide("superseded", reason, place, older.event.seq, detail=encode({"by": event.id}))
    stored = {**state.stored, offer.name: StoredEvent(event, work.at)}
    missing = [name for name in rule.names if name not in stored]
    work.remember(rule, with_stored(rule, stored, state.next_slot))
    work.decide(
        "waiting",
        f"'{rule.condition}' does not hold yet; not received: {', '.join(missing)}",
        place,
        event.seq,
        detail=encode({"checks": offer.verdict.checks, "has": sorted(stored), "missing": missing}),
    )
