"""`concurrency`: at most so many runs of a key at a time; one more waits, replaces the oldest, or is dropped."""

from collections.abc import Mapping

from events.model import Event
from sensors.cells import Address, SlotCell, Ticket
from sensors.evaluate.evaluation import Evaluation, Members, encode
from sensors.model import ConcurrencyRule, FiringStatus, Place, Replacement, TriggerRule
from sensors.view import View

LOOK_S = 5.0
"""How often a full key with a queue is looked at: so late, at most, a run that has ended lets the next one start."""
_TIDY_S = 300.0


def key_of(rule: TriggerRule, delivered: Mapping[str, Event]) -> str | None:
    """The key of a firing, of the first of its dependencies; None when the trigger has no limit."""
    if rule.concurrency is None:
        return None
    name, event = next(iter(delivered.items()))
    return rule.concurrency.key(name, View(event))


def ticket(work: Evaluation, firing: str, members: Members) -> Ticket:
    name, events = next(iter(members.items()))
    return Ticket(firing, events[-1].seq, name, work.at)


def admit(
    work: Evaluation, rule: TriggerRule, wish: ConcurrencyRule, new: Ticket, key: str
) -> tuple[FiringStatus, str]:
    """What becomes of a firing: pending (it may start), queued or discarded; and what is to say about it."""
    address = Address(rule.name, "slots", key)
    cell = _current(work, address)
    if len(cell.running) < wish.limit and not cell.queue:
        _keep(work, address, (*cell.running, new), cell.queue)
        return "pending", ""
    holders = ", ".join(held.firing for held in cell.running)
    full = f"{len(cell.running)} of {wish.limit} slots of key '{key}' are taken (by {holders})"
    if wish.on_conflict == "drop":
        return "discarded", full
    if wish.on_conflict == "queue":
        _keep(work, address, cell.running, (*cell.queue, new))
        return "queued", f"{full}; number {len(cell.queue) + 1} in the queue"
    surplus = len(cell.running) + 1 - wish.limit
    for old in cell.running[:surplus]:
        _replace(work, rule, key, old, new)
    _keep(work, address, (*cell.running[surplus:], new), cell.queue)
    return "pending", f"; takes the slot of key '{key}' from {cell.running[0].firing}"


def ring(work: Evaluation, rule: TriggerRule | None, address: Address) -> None:
    """Slots may be free: those at the head of the queue start. Without a limit all of them do."""
    cell = _current(work, address)
    wish = rule.concurrency if rule else None
    room = wish.limit - len(cell.running) if wish else len(cell.queue)
    starting = cell.queue[: max(room, 0)]
    for waiting in starting:
        waited = max(work.at - waiting.at, 0.0)
        reason = f"a slot of key '{address.key}' is free after {waited:g} s"
        place = _place(rule, address, waiting.dependency)
        work.decide("fired", reason, place, waiting.seq, firing=waiting.firing)
        work.kept.starts.append(waiting.firing)
    _keep(work, address, (*cell.running, *starting), cell.queue[len(starting) :])


def _replace(work: Evaluation, rule: TriggerRule, key: str, old: Ticket, new: Ticket) -> None:
    reason = f"firing {new.firing} takes its place under key '{key}': its run is terminated"
    detail = encode({"key": key, "by": new.firing, "byEvent": new.seq})
    place = _place(rule, Address(rule.name, "slots", key), old.dependency)
    work.decide("superseded", reason, place, old.seq, detail=detail, firing=old.firing)
    work.kept.ends.append(Replacement(old.firing, new.firing))


def _current(work: Evaluation, address: Address) -> SlotCell:
    """The slots without the holders whose runs have ended."""
    cell = work.cell(address)
    if not isinstance(cell, SlotCell):
        return SlotCell(0.0)
    if address in work.kept.cells:
        return cell  # looked at before; its newest holders have no rows yet
    over = work.state.cells.ended([held.firing for held in (*cell.running, *cell.queue)])
    return SlotCell(
        cell.due_at,
        tuple(held for held in cell.running if held.firing not in over),
        tuple(held for held in cell.queue if held.firing not in over),
    )


def _keep(
    work: Evaluation, address: Address, running: tuple[Ticket, ...], queue: tuple[Ticket, ...]
) -> None:
    due = work.at + (LOOK_S if queue else _TIDY_S)
    work.kept.cells[address] = SlotCell(due, running, queue) if running or queue else None


def _place(rule: TriggerRule | None, address: Address, dependency: str) -> Place:
    path, line = (rule.path, rule.line) if rule else ("spec.triggers", 0)
    return Place(address.trigger, dependency, path, line)
