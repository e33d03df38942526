"""From events that belong together to a firing: gathered if so wished, then past breaker, slots and rate limit."""

from collections.abc import Sequence
from typing import NamedTuple

from events.model import Event
from sensors import throttle
from sensors.evaluate import breaker, coalesce, concurrency, memory
from sensors.evaluate.evaluation import Evaluation, Members, Offer, at, encode, firing_id, id_of_one
from sensors.evaluate.gathered import gathered
from sensors.model import Fire, FiringStatus, Outcome, TriggerRule

PASSED = "the event passed"

REPEATED = "these events have fired this trigger before"

_OUTCOMES: dict[FiringStatus, Outcome] = {"pending": "fired", "held": "held", "queued": "queued"}


class _Gate(NamedTuple):
    """Whether a firing may act, why, and the slot that it takes or waits for."""

    status: FiringStatus
    why: str
    slot: str | None = None


def pursue(
    work: Evaluation,
    rule: TriggerRule,
    members: Members,
    why: str,
    offer: Offer | None = None,
    key: str = "",
) -> str:
    """Gather the events if the trigger coalesces, else fire; the firing's id, empty when there is none (yet)."""
    if rule.coalesce is None:
        delivered = {name: _delivered(events) for name, events in members.items()}
        return fire(work, rule, members, delivered, why, offer, key)
    address = coalesce.place_of(rule, rule.coalesce, members, offer)
    overdue = coalesce.ring(work, rule, rule.coalesce, address)
    if overdue:  # its timer is late: this event belongs to the next batch
        release(work, rule, overdue, overdue.why)
    full = coalesce.take(work, rule, rule.coalesce, address, members)
    return release(work, rule, full, f"{why}; {full.why}", offer) if full else ""


def at_once(work: Evaluation, rule: TriggerRule, offer: Offer) -> None:
    """`pursue` for a plain trigger, which most are: nothing stands between this one event and the firing."""
    event, name = offer.event, offer.name
    id = id_of_one(work.sensor.uid, rule.name, name, event)
    detail = encode({"checks": offer.verdict.checks, "events": {name: event.id}})
    work.decide("fired", PASSED, at(name, rule), event.seq, detail=detail, firing=id)
    work.fires.append(Fire(id, rule, {name: event}))


def release(
    work: Evaluation,
    rule: TriggerRule,
    batch: coalesce.Batch,
    why: str,
    offer: Offer | None = None,
) -> str:
    """Fire with what was gathered."""
    return fire(work, rule, batch.members, coalesce.delivered(batch), why, offer, batch.key)


def fire(
    work: Evaluation,
    rule: TriggerRule,
    members: Members,
    delivered: dict[str, Event],
    why: str,
    offer: Offer | None = None,
    key: str = "",
) -> str:
    """Fire, or hold, queue or drop the firing; every event of it gets a decision that says so."""
    id = firing_id(work.sensor.uid, rule.name, members, key)
    gate = _Gate("pending", why)
    if rule.breaker or rule.concurrency:
        if work.state.cells.has_fired(id):
            _tell(work, rule, members, "deduplicated", REPEATED, id, offer)
            return id
        gate = _gate(work, rule, id, members, delivered, why)
    if gate.status == "discarded":
        _tell(work, rule, members, "dropped", gate.why, None, offer)
        return ""
    outcome, why, not_before = _moment(work, rule, gate)
    _tell(work, rule, members, outcome, why, id, offer)
    reason = why if gate.status == "held" else ""
    work.fires.append(Fire(id, rule, delivered, not_before, gate.status, reason, gate.slot))
    return id


def _gate(
    work: Evaluation,
    rule: TriggerRule,
    id: str,
    members: Members,
    delivered: dict[str, Event],
    why: str,
) -> _Gate:
    """What breaker and slots say to a firing; `why` is what is told of one that passes both."""
    slot = concurrency.key_of(rule, delivered)
    held = breaker.refusal(work, rule, rule.breaker) if rule.breaker else ""
    if held:
        return _Gate("held", held, slot)
    if rule.concurrency is None or slot is None:
        return _Gate("pending", why, slot)
    ticket = concurrency.ticket(work, id, members)
    status, more = concurrency.admit(work, rule, rule.concurrency, ticket, slot)
    return _Gate(status, why + more if status == "pending" else more, slot)


def _moment(work: Evaluation, rule: TriggerRule, gate: _Gate) -> tuple[Outcome, str, float]:
    """When it may act, as far as the rate limit goes; the outcome and the reason that say so."""
    outcome = _OUTCOMES[gate.status]
    not_before = _slot(work, rule) if rule.rate and gate.status != "held" else 0.0
    if not_before <= work.at or outcome != "fired":
        return outcome, gate.why, not_before
    more = f"; the rate limit lets it fire in {not_before - work.at:.3f} s"
    return "throttled", gate.why + more, not_before


def _delivered(events: Sequence[Event]) -> Event:
    return events[0] if len(events) == 1 else gathered(events)


def _tell(
    work: Evaluation,
    rule: TriggerRule,
    members: Members,
    outcome: Outcome,
    why: str,
    firing: str | None,
    offer: Offer | None,
) -> None:
    names = {name: _ids(events) for name, events in members.items()}
    came = offer.event if offer is not None else None
    plain = ""
    for name, events in members.items():
        place = at(name, rule)
        for event in events:
            if offer is not None and event is came:
                detail = encode({"checks": offer.verdict.checks, "events": names})
            else:
                detail = plain = plain or encode({"events": names})
            work.decide(outcome, why, place, event.seq, detail=detail, firing=firing)


def _ids(events: Sequence[Event]) -> str | list[str]:
    if len(events) == 1:
        return events[0].id
    return [event.id for event in events[:20]] + (
        [f"and {len(events) - 20} more"] if len(events) > 20 else []
    )


def _slot(work: Evaluation, rule: TriggerRule) -> float:
    state = memory.remembered(work, rule)
    if rule.rate is None:
        return 0.0
    may_fire, slot = throttle.take(rule.rate, state.next_slot, work.at)
    work.remember(rule, memory.with_stored(rule, state.stored, slot))
    return may_fire
