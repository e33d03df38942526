"""Where changes of a bucket's objects go: straight to the log, or through a catalogue that remembers the objects.

A catalogue makes a listing useful: it knows what was told, so that a listing shows what was not. What it remembers is
durable before an event is, and an event's delivery id is made from it: whatever is cut short is done again under the
same id, and is one event.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from events.buckets import objects
from events.buckets.objects import Change, Wanted
from events.ports import NewEvent, Publish, Surroundings

_SINCE = "since"
_OBJECT = "object/"
_BATCH = 500

# A change as its event's payload; the flag says that a newer change of the object was told before.
Shape = Callable[[Change, bool], bytes]


class Taker(Protocol):
    """Takes changes. What it returned from is durable; taking a change again does no harm."""

    async def open(self) -> bool:
        """Take up what an earlier process left; whether there was none. Called once, first."""
        ...

    async def take(self, changes: Sequence[Change]) -> None: ...

    async def compare(self, found: Sequence[Change], now: datetime, grace_s: float | None) -> None:
        """Take what a whole listing, begun at `now`, shows and nobody told, but for what is younger than the grace."""
        ...

    async def begin_with(self, found: Sequence[Change]) -> None:
        """The first look at a bucket: what lies there is remembered, and no event."""
        ...


class Straight:
    """Every change is an event, recognised by its own identity."""

    def __init__(self, publish: Publish, shape: Shape, wanted: Wanted) -> None:
        self._publish = publish
        self._shape = shape
        self._wanted = wanted

    async def open(self) -> bool:
        return False

    async def take(self, changes: Sequence[Change]) -> None:
        tellings = [Telling(one, one.identity) for one in changes if self._wanted.tells(one)]
        if tellings:
            await self._publish([_new_event(one, self._shape) for one in tellings])

    async def compare(self, found: Sequence[Change], now: datetime, grace_s: float | None) -> None:
        """Nothing is remembered, so nothing can be missed."""

    async def begin_with(self, found: Sequence[Change]) -> None:
        """Nothing is remembered."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The newest change of an object, the delivery id of its event, and whether that is surely in the log."""

    change: Change
    told_as: str
    is_told: bool = False


class Catalogue:
    """Every change is an event, and is remembered by its object.

    What lay there before the first start is remembered without an event, unless `existing` asks for one.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        publish: Publish,
        shape: Shape,
        wanted: Wanted,
        *,
        existing: bool = False,
    ) -> None:
        self._around = surroundings
        self._publish = publish
        self._shape = shape
        self._wanted = wanted
        self._existing = existing
        self._known: dict[str, Known] = {}
        self._since: datetime
        self._turn = asyncio.Lock()

    async def open(self) -> bool:
        facts = await self._around.state.facts(self._around.place)
        self._since, is_new = await first_start(self._around, facts)
        self._known = {
            name.removeprefix(_OBJECT): msgspec.json.decode(fact, type=Known)
            for name, fact in facts.items()
            if name.startswith(_OBJECT)
        }
        untold = [one for one in self._known.values() if not one.is_told]
        await self._tell(
            {one.change.key: one for one in untold},
            [Telling(one.change, one.told_as) for one in untold],
        )
        return is_new

    async def take(self, changes: Sequence[Change]) -> None:
        async with self._turn:
            await self._take(changes)

    async def _take(self, changes: Sequence[Change]) -> None:
        fresh, tellings = plan(self._known, changes)
        await self._remember(fresh)
        await self._tell(fresh, tellings)

    async def compare(self, found: Sequence[Change], now: datetime, grace_s: float | None) -> None:
        async with self._turn:
            await self._compare(found, now, grace_s)
            await self._forget_removed(now - timedelta(seconds=grace_s or 0))

    async def _compare(self, found: Sequence[Change], now: datetime, grace_s: float | None) -> None:
        known = {key: one.change for key, one in self._known.items()}
        missed = list(objects.missed(known, found, now, grace_s))
        if not self._existing:
            await self._accept([one for one in missed if self._was_there(one)])
            missed = [one for one in missed if not self._was_there(one)]
        for start in range(0, len(missed), _BATCH):
            await self._take(missed[start : start + _BATCH])

    async def begin_with(self, found: Sequence[Change]) -> None:
        if self._existing:
            await self.take(found)
            return
        async with self._turn:
            await self._accept([one for one in found if one.key not in self._known])

    def _was_there(self, change: Change) -> bool:
        return change.time < self._since and change.key not in self._known

    async def _accept(self, changes: Sequence[Change]) -> None:
        await self._remember(
            {one.key: Known(change=one, told_as=one.identity, is_told=True) for one in changes}
        )

    async def _tell(self, fresh: Mapping[str, Known], tellings: Sequence["Telling"]) -> None:
        wanted = [one for one in tellings if self._wanted.tells(one.change)]
        if wanted:
            await self._publish([_new_event(one, self._shape) for one in wanted])
        await self._remember(
            {key: msgspec.structs.replace(one, is_told=True) for key, one in fresh.items()}
        )

    async def _remember(self, known: Mapping[str, Known]) -> None:
        facts = {_OBJECT + key: msgspec.json.encode(one) for key, one in known.items()}
        await self._around.state.note(self._around.place, facts)
        self._known.update(known)

    async def _forget_removed(self, before: datetime) -> None:
        """A removal is remembered for as long as an older notification may still be on its way."""
        gone = [
            key
            for key, one in self._known.items()
            if one.change.is_removed and one.change.time < before
        ]
        await self._around.state.note(self._around.place, {_OBJECT + key: None for key in gone})
        for key in gone:
            del self._known[key]


class Telling(msgspec.Struct, frozen=True):
    """One change to be told under a delivery id. Outdated when a newer change of the object is known already."""

    change: Change
    told_as: str
    is_outdated: bool = False


def plan(
    known: Mapping[str, Known], changes: Iterable[Change]
) -> tuple[dict[str, Known], list[Telling]]:
    """What to remember and what to tell. Pure. What is known already is told under the id it was told under."""
    fresh: dict[str, Known] = {}
    tellings: list[Telling] = []
    for one in changes:
        last = fresh.get(one.key) or known.get(one.key)
        told_as = _told_as(one, last)
        is_outdated = last is not None and objects.is_newer(last.change, one)
        tellings.append(Telling(one, told_as, is_outdated))
        if (one.is_created or one.is_removed) and not is_outdated:
            kept = msgspec.structs.replace(one, record=None)
            fresh[one.key] = Known(change=kept, told_as=told_as)
    return fresh, tellings


def _told_as(change: Change, last: Known | None) -> str:
    """The notification of what a listing found before is the same event."""
    if last is None or change.is_removed != last.change.is_removed:
        return change.identity
    is_late = last.change.found_by == "listing" and change.found_by == "notification"
    is_repeated = last.change.identity == change.identity
    if is_repeated or (is_late and _made(change, last.change)):
        return last.told_as
    return change.identity


def _made(change: Change, seen: Change) -> bool:
    """Whether the notification tells of what the listing shows."""
    if change.is_removed:
        return change.time <= seen.time
    return change.etag == seen.etag and objects.is_same_object(change, seen)


def _new_event(telling: Telling, shape: Shape) -> NewEvent:
    attributes: dict[str, str] = {"foundby": telling.change.found_by}
    if telling.is_outdated:
        attributes["outdated"] = "true"
    data = shape(telling.change, telling.is_outdated)
    return NewEvent(data=data, dedup=telling.told_as, attributes=attributes)


async def first_start(
    surroundings: Surroundings, facts: Mapping[str, bytes]
) -> tuple[datetime, bool]:
    """When the source was first started, whole seconds as listings have them, and whether that is now."""
    if _SINCE in facts:
        return datetime.fromisoformat(facts[_SINCE].decode()), False
    now = surroundings.clock.now().replace(microsecond=0)
    await surroundings.state.note(surroundings.place, {_SINCE: now.isoformat().encode()})
    return now, True
