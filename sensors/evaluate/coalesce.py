"""`coalesce`: many events make one firing, once it is quiet, at the latest moment, or when there are enough."""

from dataclasses import dataclass

from msgspec.structs import replace

from events.model import Event
from sensors.cells import Address, GatherCell, Waiting
from sensors.evaluate.evaluation import Evaluation, Members, Offer, at, encode
from sensors.evaluate.gathered import gathered
from sensors.model import CoalesceRule, Place, TriggerRule
from sensors.view import View

MOST_BYTES = 1 << 20
"""Gathered data that is larger is let go at once: a row and a firing stay small."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is let go, and why now."""

    key: str
    members: Members
    deliver: str
    why: str


def place_of(
    rule: TriggerRule, coalesce: CoalesceRule, members: Members, offer: Offer | None
) -> Address:
    """Where these events are gathered: under the key of the event that came, or of the newest a timer brought."""
    if offer is not None:
        return Address(rule.name, "coalesce", coalesce.key(offer.name, offer.view))
    name, events = next(iter(members.items()))
    return Address(rule.name, "coalesce", coalesce.key(name, View(events[-1])))


def take(
    work: Evaluation, rule: TriggerRule, coalesce: CoalesceRule, address: Address, members: Members
) -> Batch | None:
    """Put the events to those of their key; the whole batch if it is full now."""
    cell = _current(work, rule, address)
    known = {(kept.dependency, kept.event.id) for kept in cell.waiting} if cell else set()
    new = [
        Waiting(name, event, work.at)
        for name, events in members.items()
        for event in events
        if (name, event.id) not in known
    ]
    if not new:
        for name, events in members.items():
            work.decide(
                "deduplicated", "the same event is gathered already", at(name, rule), events[0].seq
            )
        return None
    opened_at = min(cell.opened_at, work.at) if cell else work.at
    waiting = (*(cell.waiting if cell else ()), *new)
    due = min(work.at + coalesce.quiet_s, opened_at + coalesce.longest_s)
    why = _full(coalesce, waiting, due, work.at)
    if why:
        work.kept.cells[address] = None
        return _batch(address, waiting, coalesce, why)
    work.kept.cells[address] = GatherCell(due, opened_at, rule.definitions, waiting)
    reason = f"gathered as number {len(waiting)} of at most {coalesce.max_events}"
    reason += f"; fires in {due - work.at:g} s unless more come" if due < float("inf") else ""
    for kept in new:
        detail = encode({"key": address.key, "gathered": len(waiting)})
        work.decide("waiting", reason, at(kept.dependency, rule), kept.event.seq, detail=detail)
    return None


def ring(
    work: Evaluation, rule: TriggerRule, coalesce: CoalesceRule, address: Address
) -> Batch | None:
    """The batch if its time has come."""
    cell = _current(work, rule, address)
    if cell is None or cell.due_at > work.at:
        return None
    work.kept.cells[address] = None
    late = cell.opened_at + coalesce.longest_s <= work.at
    why = "the longest time of gathering is over" if late else "it has been quiet"
    return _batch(address, cell.waiting, coalesce, f"{len(cell.waiting)} gathered: {why}")


def drop(work: Evaluation, place: Place, address: Address, cell: GatherCell) -> None:
    """The trigger gathers no longer: what waits is expired."""
    for kept in cell.waiting:
        here = replace(place, dependency=kept.dependency)
        work.decide("expired", "the trigger's coalesce was taken out", here, kept.event.seq)
    work.kept.cells[address] = None


def delivered(batch: Batch) -> dict[str, Event]:
    """What the trigger is given for each dependency."""
    if batch.deliver == "all":
        return {name: gathered(events) for name, events in batch.members.items()}
    index = 0 if batch.deliver == "first" else -1
    return {name: events[index] for name, events in batch.members.items()}


def _full(coalesce: CoalesceRule, waiting: tuple[Waiting, ...], due: float, now: float) -> str:
    if len(waiting) >= coalesce.max_events:
        return f"{len(waiting)} gathered: as many as maxEvents allows"
    if sum(len(kept.event.data) for kept in waiting) >= MOST_BYTES:
        return f"{len(waiting)} gathered: their data is larger than {MOST_BYTES} bytes"
    return "the longest time of gathering is over" if due <= now else ""


def _current(work: Evaluation, rule: TriggerRule, address: Address) -> GatherCell | None:
    cell = work.cell(address)
    if not isinstance(cell, GatherCell):
        return None
    if cell.definitions == rule.definitions:
        return cell
    kept: list[Waiting] = []
    for item in cell.waiting:
        if cell.definitions.get(item.dependency) == rule.definitions.get(item.dependency):
            kept.append(item)
            continue
        reason = "the dependency's definition was changed while the event waited"
        work.decide("expired", reason, at(item.dependency, rule), item.event.seq)
    after = GatherCell(cell.due_at, cell.opened_at, rule.definitions, tuple(kept)) if kept else None
    work.kept.cells[address] = after
    return after


def _batch(
    address: Address, waiting: tuple[Waiting, ...], coalesce: CoalesceRule, why: str
) -> Batch:
    members: dict[str, list[Event]] = {}
    for kept in waiting:
        members.setdefault(kept.dependency, []).append(kept.event)
    return Batch(address.key, members, coalesce.deliver, why)
