"""From real buses into the log: in order, once each, wherever things break."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.ports import Database, StorageUnavailable
from events.buses.sqlite import SqliteBus
from events.carriers import Carriers
from events.model import Event
from events.ports import BadSourceConfig, BusAway
from events.relay import Relay
from tests.events.conftest import GivenSecrets
from tests.events.test_buses import event
from tests.servers import apache_kafka, nats, process
from tests.servers.waiting import until


@pytest.fixture(scope="module")
def brokers() -> Iterator[process.Server]:
    with apache_kafka.running() as server:
        yield server


@pytest.fixture
def streams() -> Iterator[process.Server]:
    with nats.running() as server:
        yield server


@pytest.fixture(params=["jetstreamExotic", "kafka"])
def spec(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "kafka":
        server = request.getfixturevalue("brokers")
        return {"kafka": {"url": f"127.0.0.1:{server.port}", "topic": f"t-{uuid4().hex[:8]}"}}
    return {
        "jetstreamExotic": {"url": f"nats://127.0.0.1:{request.getfixturevalue('streams').port}"}
    }


class Log:
    """The log with its carriers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.bus = SqliteBus(database, SystemClock())
        self.carriers = Carriers(self.bus, database, SystemClock(), RandomIds(), GivenSecrets())

    async def names(self) -> list[str]:
        rows = await self.database.read("SELECT id FROM events ORDER BY seq")
        return [row[0] for row in rows]

    async def holds(self, *names: str) -> None:
        async def does() -> bool:
            return await self.names() == list(names)

        await until(does, f"the log holds {len(names)} events")


@pytest.fixture
async def log(database: Database) -> AsyncIterator[Log]:
    opened = Log(database)
    yield opened
    await opened.carriers.close()


async def test_what_is_published_to_an_outside_bus_comes_into_the_log_in_order(
    log: Log, spec: dict[str, Any]
) -> None:
    await log.carriers.apply("default", "default", spec)
    bus = log.carriers.named("default", "")
    for number in range(20):
        await bus.publish([event(f"{number}")])
    await bus.publish([event("a"), event("b")])
    await log.holds(*map(str, range(20)), "a", "b")


async def test_a_repeated_delivery_is_one_event_of_the_log(log: Log, spec: dict[str, Any]) -> None:
    await log.carriers.apply("default", "default", spec)
    bus = log.carriers.named("default", "default")
    for name in ("first", "again"):
        await bus.publish([event(name, dedup="d")])
    await bus.publish([event("last")])
    await log.holds("first", "last")


async def test_what_a_source_publishes_again_because_its_place_was_not_noted_is_one_event(
    log: Log, spec: dict[str, Any]
) -> None:
    """A bus outside cannot note the place in the commit of the events, and those have no delivery id then."""
    await log.carriers.apply("default", "default", spec)
    bus = log.carriers.named("default", "default")

    def refuse(tx: Any) -> None:
        raise StorageUnavailable("the disk is full")

    with pytest.raises(StorageUnavailable):
        await bus.publish([event("first"), event("second")], refuse)
    await bus.publish([event("first"), event("second")], lambda tx: None)
    await bus.publish([event("last")])
    await log.holds("first", "second", "last")


async def test_a_relay_that_is_stopped_and_started_repeats_nothing(
    log: Log, spec: dict[str, Any]
) -> None:
    names: list[str] = []
    for turn in range(3):
        await log.carriers.apply("default", "default", spec)
        bus = log.carriers.named("default", "default")
        for number in range(5):
            names.append(f"{turn}-{number}")
            await bus.publish([event(names[-1])])
        await log.carriers.remove("default", "default")
    await log.carriers.apply("default", "default", spec)
    await log.holds(*names)


async def test_two_relays_on_one_bus_take_each_event_in_once(
    log: Log, streams: process.Server, database: Database
) -> None:
    spec = {"jetstreamExotic": {"url": f"nats://127.0.0.1:{streams.port}"}}
    await log.carriers.apply("default", "default", spec)
    outside = log.carriers.carrier(("default", "default"))
    second = Relay("default/default", outside, log.bus, database, SystemClock())
    task = asyncio.ensure_future(second.run())
    names = [str(number) for number in range(60)]
    try:
        for name in names:
            await outside.publish([event(name)])
        await log.holds(*names)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_places_move_with_the_events_or_not_at_all(
    log: Log, streams: process.Server, database: Database
) -> None:
    publish, refused = log.bus.publish, asyncio.Event()

    async def away(events: Any, also: Any = None) -> Any:
        refused.set()
        raise StorageUnavailable("the disk is full")

    log.bus.publish = away  # type: ignore[method-assign]
    spec = {"jetstreamExotic": {"url": f"nats://127.0.0.1:{streams.port}"}}
    await log.carriers.apply("default", "default", spec)
    await log.carriers.named("default", "default").publish([event("kept")])
    await asyncio.wait_for(refused.wait(), 20)
    assert await database.read("SELECT position FROM bus_positions") == [(0,)]
    log.bus.publish = publish  # type: ignore[method-assign]
    await log.holds("kept")


async def test_a_bus_that_is_killed_refuses_and_takes_again_when_it_is_back(
    log: Log, streams: process.Server
) -> None:
    spec = {"jetstreamExotic": {"url": f"nats://127.0.0.1:{streams.port}"}}
    await log.carriers.apply("default", "default", spec)
    bus = log.carriers.named("default", "default")
    await bus.publish([event("before")])
    streams.kill()
    with pytest.raises(BusAway, match="NATS server"):
        await bus.publish([event("lost")])
    streams.start()
    accepted: list[Event] = []

    async def takes() -> bool:
        try:
            accepted.extend(await bus.publish([event("after")]))
        except BusAway:
            return False
        return True

    await until(takes, "the bus takes events again", 30)

    async def has_all() -> bool:
        return {"before", "after"} <= set(await log.names())

    await until(has_all, "the log holds what was accepted", 30)


async def test_a_managed_bus_is_the_log_itself(log: Log) -> None:
    for spec in ({"jetstream": {"version": "latest"}}, {"nats": {"native": {}}}):
        await log.carriers.apply("default", "default", spec)
        assert log.carriers.carrier(("default", "default")) is log.bus


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"kafka": {}}, "spec.kafka: url is missing"),
        ({"jetstreamExotic": {}}, "spec.jetstreamExotic: url is missing"),
        ({"kafka": {"url": "x", "topics": "t"}}, "topics"),
        ({"jetstreamExotic": {"url": "x", "streamConfig": "retention: 2"}}, "retention"),
    ],
)
async def test_a_bus_that_cannot_be_used_is_named(
    log: Log, spec: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadSourceConfig, match=said):
        await log.carriers.apply("default", "default", spec)
