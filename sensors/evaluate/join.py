"""`join`: events with the same key, within a time of each other, fire once; what never came is told.

A key opens with its first event and its window ends `within` later. `latest` and `first` fire as soon as the condition
holds with one event of each dependency, and then the key stays closed until its window ends. `all` keeps every event
and fires when the window ends. `zip` pairs the n-th event of one dependency with the n-th of the others; it never
closes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from events.model import Event
from sensors.cells import Address, JoinCell, Waiting
from sensors.evaluate import firing
from sensors.evaluate.evaluation import Evaluation, Members, Offer, at, encode, firing_id
from sensors.evaluate.gathered import gathered
from sensors.model import Fire, JoinRule, Place, TriggerRule

MOST = 1000
"""As many events wait under one key; an older one makes room, in the open."""


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of one trigger's join, for the length of an evaluation."""

    work: Evaluation
    rule: TriggerRule
    join: JoinRule
    address: Address

    def keep(self, waiting: tuple[Waiting, ...], opened_at: float, fired: str = "") -> None:
        due = opened_at + self.join.within_s
        self.work.kept.cells[self.address] = JoinCell(
            due, opened_at, self.join.digest, self.rule.definitions, waiting, fired
        )

    def forget(self) -> None:
        self.work.kept.cells[self.address] = None

    def detail(self, **more: object) -> str:
        return encode({"key": self.address.key, **more})


def take(work: Evaluation, rule: TriggerRule, join: JoinRule, offer: Offer) -> None:
    """An event that belongs to a key: it completes it, waits, or comes too late."""
    key = _Key(work, rule, join, Address(rule.name, "join", join.key(offer.name, offer.view)))
    cell = _current(key)
    if cell is None:
        _add(key, (), offer, work.at)
    elif cell.fired:
        reason = (
            f"key '{key.address.key}' has fired; its window ends in {cell.due_at - work.at:.3f} s"
        )
        place = at(offer.name, rule)
        work.decide("deduplicated", reason, place, offer.event.seq, firing=cell.fired)
    elif any(kept.event.id == offer.event.id for kept in _of(offer.name, cell.waiting)):
        place = at(offer.name, rule)
        work.decide("deduplicated", "the same event waits already", place, offer.event.seq)
    else:
        # A clock that was set back must not keep a window open for longer than it is.
        _add(key, cell.waiting, offer, min(cell.opened_at, work.at))


def ring(work: Evaluation, rule: TriggerRule, join: JoinRule, address: Address) -> None:
    """A window may have ended: whatever follows from that."""
    _current(_Key(work, rule, join, address))


def drop(work: Evaluation, place: Place, address: Address, cell: JoinCell) -> None:
    """The trigger joins no longer: what waits is expired."""
    for kept in cell.waiting:
        here = replace(place, dependency=kept.dependency)
        detail = encode({"key": address.key})
        work.decide(
            "expired", "the trigger's join was taken out", here, kept.event.seq, detail=detail
        )
    work.kept.cells[address] = None


def _current(key: _Key) -> JoinCell | None:
    """The cell as it counts now: without what was edited away, past its window if that has ended."""
    cell = key.work.cell(key.address)
    if not isinstance(cell, JoinCell):
        return None
    cell = _without_outdated(key, cell)
    if cell is not None and cell.due_at <= key.work.at:
        cell = _ended(key, cell)
    return cell


def _without_outdated(key: _Key, cell: JoinCell) -> JoinCell | None:
    definitions = key.rule.definitions
    if cell.digest == key.join.digest and cell.definitions == definitions:
        return cell
    if cell.digest != key.join.digest:
        gone = cell.waiting
        why = "the trigger's join was changed while the event waited"
    else:
        gone = tuple(
            kept for kept in cell.waiting
            if cell.definitions.get(kept.dependency) != definitions.get(kept.dependency)
        )  # fmt: skip
        why = "the dependency's definition was changed while the event waited"
    for kept in gone:
        place = at(kept.dependency, key.rule)
        key.work.decide("expired", why, place, kept.event.seq, detail=key.detail())
    rest = tuple(kept for kept in cell.waiting if kept not in gone)
    if not rest and not cell.fired:
        key.forget()
        return None
    key.keep(rest, cell.opened_at, cell.fired)
    return _kept(key)


def _add(key: _Key, waiting: tuple[Waiting, ...], offer: Offer, opened_at: float) -> None:
    new = Waiting(offer.name, offer.event, key.work.at)
    older = _of(offer.name, waiting)
    if older and key.join.mode == "first":
        reason = f"the earlier event {older[0].event.id} of key '{key.address.key}' is kept"
        detail = key.detail(by=older[0].event.id)
        place = at(offer.name, key.rule)
        key.work.decide("superseded", reason, place, new.event.seq, detail=detail)
        return
    if older and key.join.mode == "latest":
        reason = f"the newer event {new.event.id} of key '{key.address.key}' takes its place"
        waiting = _without(key, waiting, older, reason, new.event.id)
    elif len(waiting) >= MOST:
        reason = f"more than {MOST} events wait under key '{key.address.key}'"
        waiting = _without(key, waiting, waiting[:1], reason, new.event.id)
    waiting = (*waiting, new)
    if key.join.mode != "all" and key.rule.satisfied(frozenset(w.dependency for w in waiting)):
        _complete(key, waiting, opened_at, offer)
        return
    key.keep(waiting, opened_at)
    _tell_waiting(key, waiting, offer)


def _complete(key: _Key, waiting: tuple[Waiting, ...], opened_at: float, offer: Offer) -> None:
    heads = _heads(waiting)
    why = f"'{key.rule.condition}' holds for key '{key.address.key}'"
    members: Members = {kept.dependency: (kept.event,) for kept in heads}
    if key.join.mode == "zip":
        _go_on(key, tuple(kept for kept in waiting if kept not in heads))
    else:
        fired = firing_id(key.work.sensor.uid, key.rule.name, members, key.address.key)
        key.keep((), opened_at, fired)
    firing.pursue(key.work, key.rule, members, why, offer, key.address.key)


def _ended(key: _Key, cell: JoinCell) -> JoinCell | None:
    """The window is over. Only a zip may have events left that came later and still wait."""
    now, names = key.work.at, frozenset(kept.dependency for kept in cell.waiting)
    if key.join.mode == "zip":
        late = tuple(kept for kept in cell.waiting if kept.at + key.join.within_s <= now)
        _go_on(key, tuple(kept for kept in cell.waiting if kept not in late))
        _expire(key, late)
        return _kept(key)
    key.forget()
    if key.join.mode == "all" and key.rule.satisfied(names):
        why = f"'{key.rule.condition}' holds for key '{key.address.key}' at the end of its window"
        firing.pursue(key.work, key.rule, _grouped(cell.waiting), why, None, key.address.key)
    elif cell.waiting:
        _expire(key, cell.waiting)
    return None


def _expire(key: _Key, late: tuple[Waiting, ...]) -> None:
    """What waited in vain: told, and acted on as `onTimeout` says."""
    if not late:
        return
    missing = _missing(key, late)
    within = f"{key.join.within_s:g} s"
    reason = f"nothing came from {', '.join(missing)} for key '{key.address.key}' within {within}"
    detail = key.detail(missing=missing, has=sorted({kept.dependency for kept in late}))
    for kept in late:
        place = at(kept.dependency, key.rule)
        key.work.decide("expired", reason, place, kept.event.seq, detail=detail)
    correlation = f"{key.address.key}\n{late[0].event.id}"
    if key.join.on_timeout == "fire-partial":
        why = f"the window of key '{key.address.key}' ended without {', '.join(missing)}"
        firing.pursue(key.work, key.rule, _grouped(late), why, None, correlation)
    elif key.join.on_timeout == "dead-letter":
        members = _grouped(late)
        id = firing_id(key.work.sensor.uid, key.rule.name, members, correlation)
        events = {name: _as_one(events) for name, events in members.items()}
        key.work.fires.append(Fire(id, key.rule, events, status="dead", reason=reason))


def _tell_waiting(key: _Key, waiting: tuple[Waiting, ...], offer: Offer) -> None:
    missing = _missing(key, waiting)
    cell = _kept(key)
    left = (cell.due_at if cell else 0.0) - key.work.at
    lacking = f"not received: {', '.join(missing)}" if missing else "all are here"
    reason = f"key '{key.address.key}' waits for at most {left:g} s; {lacking}"
    detail = key.detail(
        checks=offer.verdict.checks, has=sorted({w.dependency for w in waiting}), missing=missing
    )
    key.work.decide("waiting", reason, at(offer.name, key.rule), offer.event.seq, detail=detail)


def _go_on(key: _Key, rest: tuple[Waiting, ...]) -> None:
    if rest:
        key.keep(rest, min(kept.at for kept in rest))
    else:
        key.forget()


def _kept(key: _Key) -> JoinCell | None:
    cell = key.work.cell(key.address)
    return cell if isinstance(cell, JoinCell) else None


def _without(
    key: _Key, waiting: tuple[Waiting, ...], gone: tuple[Waiting, ...], reason: str, by: str
) -> tuple[Waiting, ...]:
    for kept in gone:
        place = at(kept.dependency, key.rule)
        key.work.decide("superseded", reason, place, kept.event.seq, detail=key.detail(by=by))
    return tuple(kept for kept in waiting if kept not in gone)


def _heads(waiting: tuple[Waiting, ...]) -> tuple[Waiting, ...]:
    """The oldest event of each dependency."""
    oldest: dict[str, Waiting] = {}
    for kept in waiting:
        oldest.setdefault(kept.dependency, kept)
    return tuple(oldest.values())


def _missing(key: _Key, waiting: Iterable[Waiting]) -> list[str]:
    """The dependencies that are needed whatever else comes, of those that are not here; or else all of these."""
    here = {kept.dependency for kept in waiting}
    absent = [name for name in key.rule.names if name not in here]
    every = frozenset(key.rule.names)
    needed = [name for name in absent if not key.rule.satisfied(every - {name})]
    return needed or absent


def _of(name: str, waiting: tuple[Waiting, ...]) -> tuple[Waiting, ...]:
    return tuple(kept for kept in waiting if kept.dependency == name)


def _grouped(waiting: Iterable[Waiting]) -> Members:
    members: dict[str, tuple[Event, ...]] = {}
    for kept in waiting:
        members[kept.dependency] = (*members.get(kept.dependency, ()), kept.event)
    return members


def _as_one(events: Iterable[Event]) -> Event:
    every = tuple(events)
    return every[0] if len(every) == 1 else gathered(every)
