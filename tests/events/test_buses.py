"""What every bus does, one suite over the log, its fake and the buses of others (real servers)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from bireme.kit.clock import FixedClock, SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.ports import Database
from events.buses.jetstream import JetStreamBus
from events.buses.kafka import KafkaBus
from events.buses.memory import MemoryBus
from events.buses.sqlite import SqliteBus
from events.model import Event
from events.ports import BusSurroundings
from events.registry import buses
from tests.events.conftest import GivenSecrets
from tests.servers import apache_kafka, nats, process


@pytest.fixture(scope="module")
def brokers() -> Iterator[process.Server]:
    with apache_kafka.running() as server:
        yield server


@pytest.fixture(scope="module")
def streams() -> Iterator[process.Server]:
    with nats.running() as server:
        yield server


def around() -> BusSurroundings:
    return BusSurroundings("default", uuid4().hex[:8], SystemClock(), RandomIds(), GivenSecrets())


@pytest.fixture(params=["sqlite", "memory", "jetstream", "kafka"])
async def bus(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryBus(FixedClock())
    elif request.param == "sqlite":
        yield SqliteBus(database, FixedClock())
    elif request.param == "jetstream":
        server = request.getfixturevalue("streams")
        config = JetStreamBus.Config(url=f"nats://127.0.0.1:{server.port}")
        opened: Any = JetStreamBus(config, around())
        yield opened
        await opened.close()
    else:
        server = request.getfixturevalue("brokers")
        opened = KafkaBus(KafkaBus.Config(url=f"127.0.0.1:{server.port}"), around())
        yield opened
        await opened.close()


@pytest.fixture
def knowing(bus: Any) -> Any:
    """A bus that knows repeated deliveries itself. On Kafka they are known when the log takes them in."""
    if isinstance(bus, KafkaBus):
        pytest.skip("tests/events/test_relay.py shows it for Kafka")
    return bus


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
    places = [one.seq for one in (*first, *second)]
    assert places == sorted(set(places))
    assert places[0] >= 1
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
        bus="audit",
    )
    (accepted,) = await bus.publish([given])
    async with aclosing(bus.read("c", 0)) as reading:
        (read,) = await take(reading, 1)
    assert read == accepted


async def test_a_repeated_delivery_gives_the_first_event_again(knowing: Any) -> None:
    (first,) = await knowing.publish([event("a", dedup="d1")])
    again = await knowing.publish([event("b", dedup="d1"), event("c", dedup="d2")])
    assert [(one.id, one.seq) for one in again] == [("a", first.seq), ("c", first.seq + 1)]


async def test_a_delivery_repeated_within_one_batch_is_one_event(knowing: Any) -> None:
    accepted = await knowing.publish([event("a", dedup="d"), event("b", dedup="d")])
    assert [one.id for one in accepted] == ["a", "a"]


async def test_the_same_delivery_id_of_another_subject_is_another_event(knowing: Any) -> None:
    accepted = await knowing.publish(
        [event("a", dedup="d"), event("b", dedup="d", subject="other")]
    )
    assert [one.id for one in accepted] == ["a", "b"]


async def test_readers_start_after_their_position(bus: Any) -> None:
    accepted = await bus.publish([event(str(n)) for n in range(5)])
    async with aclosing(bus.read("c", accepted[2].seq)) as reading:
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
        read: list[Event] = []
        while len(read) < 10:
            events = await anext(reading)
            assert len(events) <= 4
            read += events
    assert [one.id for one in read] == [str(n) for n in range(10)]


async def test_many_publishers_at_once_have_one_order(bus: Any) -> None:
    accepted = await asyncio.gather(*(bus.publish([event(str(n))]) for n in range(200)))
    assert len({one.seq for (one,) in accepted}) == 200
    async with aclosing(bus.read("c", 0)) as reading:
        read = await take(reading, 200)
    assert {one.id: one.seq for one in read} == {one.id: one.seq for (one,) in accepted}


async def test_publishing_nothing_is_accepted(bus: Any) -> None:
    assert list(await bus.publish([])) == []


def test_every_bus_is_known_by_its_kind() -> None:
    assert buses.kinds() == ["jetstream", "kafka", "memory", "sqlite"]
