"""Cut short anywhere, then started again with everything told once more: every change and every set is one event."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from bireme.kit.clock import FixedClock
from bireme.kit.errors import ServiceError
from bireme.kit.ids import CountedIds
from events.buckets.catalogue import Catalogue
from events.buckets.collecting import Collector
from events.buckets.datasets import Rule
from events.buckets.objects import Change, Wanted
from events.ports import NewEvent, Place, Surroundings

PLACE = Place("default", "landing", "s3", "uploads")
CLOCK = FixedClock()


class Crash(ServiceError):
    pass


class World:
    """Memory and log that outlive a process, which ends after so many steps, before or after the step's effect."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self._left = steps
        self._after = after
        self.facts_: dict[str, bytes] = {}
        self.events: dict[str, NewEvent] = {}

    def _step(self) -> bool:
        """Whether the effect still happens. Raises Crash where it does not."""
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        return self._left == 0

    async def facts(self, place: Place) -> dict[str, bytes]:
        return dict(self.facts_)

    async def note(self, place: Place, facts: Any) -> None:
        ends = self._step()
        for name, fact in facts.items():
            self.facts_.pop(name, None)
            if fact is not None:
                self.facts_[name] = fact
        if ends:
            raise Crash

    async def publish(self, events: Any, also: Any = None) -> Any:
        ends = self._step()
        for event in events:
            self.events.setdefault(event.dedup, event)
        if ends:
            raise Crash
        return ()

    def surroundings(self) -> Surroundings:
        none: Any = None
        return Surroundings(PLACE, CLOCK, CountedIds(), none, self, none)  # type: ignore[arg-type]


def change(key: str, number: int, event: str = "s3:ObjectCreated:Put", **more: Any) -> Change:
    time = CLOCK.now() - timedelta(hours=1) + timedelta(seconds=number)
    fields = {"bucket": "b", "event": event, "time": time, "sequencer": f"{number:06d}"}
    return Change(key=key, etag=f"e{number}", **{**fields, **more})


CHANGES = [
    change("in/7/a", 1),
    change("in/7/a", 2, "s3:ObjectRemoved:Delete"),
    change("in/8/a", 3),
    change("in/7/a", 4),
    change("in/7/b", 5),
    change("in/8/b", 6),
]
LISTED = [
    change("in/9/a", 7, found_by="listing", sequencer=""),
    change("in/9/b", 8, found_by="listing", sequencer=""),
]


async def until_it_crashes(make: Any, world: World, *batches: Any) -> None:
    """Each batch is acknowledged when it was taken; the next process is told again what was not."""
    pending = list(batches)
    for _ in range(2):
        try:
            taker = make(world)
            await taker.open()
            while pending:
                await taker.take(pending[0])
                pending.pop(0)
            await taker.compare([*live(), *LISTED], CLOCK.now(), 60)
        except Crash:
            continue
        return
    raise AssertionError("the second process crashed too")


def live() -> list[Change]:
    """What a listing shows of the changes."""
    newest = {one.key: one for one in CHANGES}
    return [
        change(one.key, int(one.sequencer), found_by="listing", sequencer="")
        for one in newest.values()
    ]


def catalogue(world: World) -> Catalogue:
    wanted = Wanted(events=("s3:*",))
    shape = lambda change, is_outdated: b"{}"  # noqa: E731
    return Catalogue(world.surroundings(), world.publish, shape, wanted, existing=True)


def collector(world: World) -> Collector:
    rule = Rule("in/{run}/", count=2)
    return Collector(world.surroundings(), world.publish, rule, None)


CUTS = [
    pytest.param(steps, after, id=f"{steps}{'after' if after else 'before'}")
    for steps, after in itertools.product(range(1, 14), (False, True))
]


@pytest.mark.parametrize(("steps", "after"), CUTS)
async def test_every_change_is_one_event(steps: int, after: bool) -> None:
    world = World(steps, after=after)
    await until_it_crashes(catalogue, world, CHANGES[:2], CHANGES[2:5], CHANGES[5:])
    assert len(world.events) == len(CHANGES) + len(LISTED)
    found = [event for event in world.events.values() if event.attributes == {"foundby": "listing"}]
    assert len(found) == len(LISTED)


@pytest.mark.parametrize(("steps", "after"), CUTS)
async def test_every_data_set_is_one_event(steps: int, after: bool) -> None:
    world = World(steps, after=after)
    await until_it_crashes(collector, world, CHANGES[:2], CHANGES[2:5], CHANGES[5:])
    assert sorted(world.events) == [f"data set in/{run}/" for run in (7, 8, 9)]
    assert [name for name in world.facts_ if name.startswith("item/")] == []
