"""What every bus does, one suite over the real one and its fake."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from bireme.kit.clock import FixedClock
from bireme.storage.ports import Database
from events.buses.memory import MemoryBus
from events.buses.sqlite import SqliteBus
from events.model import Event
from events.registry import buses


@pytest.fixture(params=["sqlite", "memory"])
def bus(request: pytest.FixtureRequest, database: Database) -> Any:
    if request.param == "memory":
        return MemoryBus(FixedClock())
    return SqliteBus(database, FixedClock())


def event(id: str = "e", dedup: str = "", subject: str = "push", data: bytes = b"{}") -> Event:
    return Event(
        id=id,
        namespace="default",
        source="hooks",
        subject=subject,
        type="webhook",
        time=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        data=data,
        dedup=dedup,
    )


async def take(reading: AsyncIterator[Any], count: int) -> list[Event]:
    taken: list[Event] = []
    async for events in reading:
        taken += events
        if len(taken) >= count:
            break
    return taken


async def test_events_are_accepted_in_order_with_growing_places(bus: Any) -> None:
    first = await bus.publish([event("a"), event("b")])
    second = await bus.publish([event("c")])
    assert [one.seq for one in (*first, *second)] == [1, 2, 3]
    assert all(one.received_at is not None for one in first)


async def test_an_event_is_read_as_it_was_published(bus: Any) -> None:
    given = Event(
        id="x",
        namespace="n",
        source="s",
        subject="j",
        type="t",
        time=datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC),
        data=b"\x00\xff",
        content_type="application/octet-stream",
        attributes={"traceparent": "00-1"},
    )
    (accepted,) = await bus.publish([given])
    async with aclosing(bus.read("c", 0)) as reading:
        (read,) = await take(reading, 1)
    assert read == accepted


async def test_a_repeated_delivery_gives_the_first_event_again(bus: Any) -> None:
    (first,) = await bus.publish([event("a", dedup="d1")])
    again = await bus.publish([event("b", dedup="d1"), event("c", dedup="d2")])
    assert [(one.id, one.seq) for one in again] == [("a", first.seq), ("c", first.seq + 1)]


async def test_a_delivery_repeated_within_one_batch_is_one_event(bus: Any) -> None:
    accepted = await bus.publish([event("a", dedup="d"), event("b", dedup="d")])
    assert [one.id for one in accepted] == ["a", "a"]


async def test_the_same_delivery_id_of_another_subject_is_another_event(bus: Any) -> None:
    accepted = await bus.publish([event("a", dedup="d"), event("b", dedup="d", subject="other")])
    assert [one.id for one in accepted] == ["a", "b"]


async def test_readers_start_after_their_position(bus: Any) -> None:
    await bus.publish([event(str(n)) for n in range(5)])
    async with aclosing(bus.read("c", 3)) as reading:
        assert [one.id for one in await take(reading, 2)] == ["3", "4"]


async def test_a_waiting_reader_is_woken_by_a_publication(bus: Any) -> None:
    async with aclosing(bus.read("c", 0)) as reading:
        waiting = asyncio.ensure_future(take(reading, 1))
        await asyncio.sleep(0)
        await bus.publish([event("late")])
        (read,) = await asyncio.wait_for(waiting, 5)
    assert read.id == "late"


async def test_batches_are_bounded_and_follow_each_other(bus: Any) -> None:
    await bus.publish([event(str(n)) for n in range(10)])
    async with aclosing(bus.read("c", 0, batch=4)) as reading:
        sizes = [len(await anext(reading)) for _ in range(3)]
    assert sizes == [4, 4, 2]


async def test_many_publishers_at_once_have_one_order(bus: Any) -> None:
    accepted = await asyncio.gather(*(bus.publish([event(str(n))]) for n in range(200)))
    assert sorted(one.seq for (one,) in accepted) == list(range(1, 201))
    async with aclosing(bus.read("c", 0)) as reading:
        read = await take(reading, 200)
    assert {one.id: one.seq for one in read} == {one.id: one.seq for (one,) in accepted}


async def test_publishing_nothing_is_accepted(bus: Any) -> None:
    assert list(await bus.publish([])) == []


def test_every_bus_is_known_by_its_kind() -> None:
    assert buses.kinds() == ["memory", "sqlite"]
