"""What every bus survives, one list for the log in SQLite, JetStream and Kafka (real servers behind a proxy).

Three sources publish numbered events, one after the other and again when refused, as senders do; a relay brings
them into the log. However the bus is treated meanwhile: accepted = in the log, once, in the order of each source.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bireme.kit import supervise
from bireme.kit.clock import SystemClock
from bireme.kit.errors import ServiceError
from bireme.storage.ports import Database, StorageError
from events.buses.sqlite import SqliteBus
from events.model import Event
from events.relay import Relay
from tests.events import bus_rigs
from tests.events.bus_rigs import Rig
from tests.events.test_buses import event, take
from tests.servers import apache_kafka, nats, process
from tests.servers.waiting import until

SOURCES = 3
EACH = 30
BATCH = 3
PATIENCE_S = 60.0
WHOLE = [list(range(EACH))] * SOURCES


@pytest.fixture(scope="module")
def kafka_port() -> int:
    return process.free_port()


@pytest.fixture(scope="module")
def brokers(kafka_port: int) -> Iterator[process.Server]:
    public = f"advertised.listeners=PLAINTEXT://127.0.0.1:{kafka_port}"
    with apache_kafka.running(public) as server:
        yield server


@pytest.fixture(scope="module")
def streams() -> Iterator[process.Server]:
    with nats.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "jetstream", "kafka"])
async def rig(
    request: pytest.FixtureRequest, tmp_path: Path, kafka_port: int
) -> AsyncIterator[Rig]:
    if request.param == "sqlite":
        async with bus_rigs.sqlite(tmp_path) as opened:
            yield opened
        return
    is_kafka = request.param == "kafka"
    server = request.getfixturevalue("brokers" if is_kafka else "streams")
    port = kafka_port if is_kafka else process.free_port()
    async with bus_rigs.remote(request.param, server, port) as remote:
        yield remote


class Load:
    """Senders, the relay and the log behind the bus."""

    def __init__(self, rig: Rig, database: Database) -> None:
        self.rig = rig
        self.database = database
        self.log = SqliteBus(database, SystemClock())
        self.go = asyncio.Event()
        """Until then senders stop half way: a fault comes while there is something left to send."""
        self.accepted = 0
        self.refused = 0
        self._relay = asyncio.ensure_future(self.relay().run())

    def relay(self) -> Relay:
        return Relay("default/b", self.rig.bus, self.log, self.database, SystemClock())

    async def send(self, source: int) -> None:
        """One event, then a batch, then one event, …; what was refused is sent again before anything else."""
        number = 0
        while number < EACH:
            if number > EACH // 2:
                await self.go.wait()
            size = BATCH if number % (BATCH + 1) else 1
            numbers = range(number, min(number + size, EACH))
            await self._accept(
                [event(f"{source}-{n}-{self.refused}", f"{n}", f"s{source}") for n in numbers]
            )
            number = numbers.stop

    async def _accept(self, events: list[Event]) -> None:
        while True:
            try:
                await self.rig.bus.publish(events)
            except (ServiceError, StorageError):
                self.refused += 1
                await asyncio.sleep(0.02)  # a sender comes again
            else:
                self.accepted += len(events)
                return

    async def reaches(self, count: int) -> None:
        await until(lambda: self.accepted >= count, f"{count} accepted", PATIENCE_S)

    async def numbers(self, source: int) -> list[int]:
        rows = await self.database.read(
            "SELECT id FROM events WHERE subject = ? ORDER BY seq", (f"s{source}",)
        )
        return [int(row[0].split("-")[1]) for row in rows]

    async def is_whole(self) -> bool:
        assert not self._relay.done(), self._relay.exception()
        (row,) = await self.database.read("SELECT count(*) FROM events")
        return int(row[0]) >= SOURCES * EACH

    async def log_after(self, fault: Callable[[], Awaitable[None]]) -> list[list[int]]:
        """All sources to their end, the fault in the middle: then the numbers of each source in the log, in order."""
        senders = [asyncio.ensure_future(self.send(n)) for n in range(SOURCES)]
        try:
            await self.reaches(SOURCES * EACH // 3)
            await fault()
            self.go.set()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*senders)
        finally:
            for sender in senders:
                sender.cancel()
        await until(self.is_whole, "the log holds what was accepted", PATIENCE_S)
        return [await self.numbers(source) for source in range(SOURCES)]

    async def close(self) -> None:
        assert not await supervise.end([self._relay], 20)


@pytest.fixture
async def load(rig: Rig, database: Database) -> AsyncIterator[Load]:
    opened = Load(rig, database)
    yield opened
    await opened.close()


@pytest.fixture
def remote(rig: Rig) -> Rig:
    if not rig.has_network:
        pytest.skip("a file has neither server nor network")
    return rig


async def nothing() -> None:
    """No fault at all."""


async def test_events_of_each_source_keep_their_order(load: Load) -> None:
    assert await load.log_after(nothing) == WHOLE
    assert load.refused == 0


async def test_a_server_that_is_killed_and_started_again_loses_and_repeats_nothing(
    load: Load, remote: Rig
) -> None:
    async def outage() -> None:
        refused = load.refused
        async with remote.outage():
            load.go.set()
            await until(lambda: load.refused > refused, "senders are told", PATIENCE_S)

    assert await load.log_after(outage) == WHOLE


async def test_a_network_that_is_cut_again_and_again_loses_and_repeats_nothing(
    load: Load, remote: Rig
) -> None:
    async def cuts() -> None:
        for turn in range(1, 4):
            remote.cut()
            await load.reaches(SOURCES * EACH // 3 + 5 * turn)

    assert await load.log_after(cuts) == WHOLE


async def test_what_arrived_but_was_never_acknowledged_is_one_event_when_it_is_sent_again(
    load: Load, remote: Rig
) -> None:
    async def mute() -> None:
        refused = load.refused
        remote.mute(True)
        load.go.set()
        await until(lambda: load.refused > refused, "senders are told", PATIENCE_S)
        remote.mute(False)
        remote.cut()

    assert await load.log_after(mute) == WHOLE


async def test_a_process_that_begins_anew_goes_on_where_the_log_is(load: Load, rig: Rig) -> None:
    async def anew() -> None:
        await load.close()
        rig.bus = await rig.anew()
        load._relay = asyncio.ensure_future(load.relay().run())

    assert await load.log_after(anew) == WHOLE


async def test_a_consumer_that_is_slow_gets_every_event_in_order(rig: Rig) -> None:
    """It takes a batch and comes back when thousands more wait, then once more behind an outage."""
    names: list[str] = []

    async def publish(count: int) -> None:
        more = [event(f"{len(names) + n}", data=b"x" * 500) for n in range(count)]
        names.extend(one.id for one in more)
        for start in range(0, count, 500):
            await rig.bus.publish(more[start : start + 500])

    await publish(10)
    read: list[Event] = []
    async with aclosing(rig.bus.read("slow", 0)) as reading:
        read += await anext(reading)
        await publish(5000)
        read += await take(reading, len(names) - len(read))
    assert [one.id for one in read] == names
    places = [one.seq for one in read]
    assert places == sorted(set(places))


async def test_a_reader_that_has_lost_the_server_says_so(remote: Rig) -> None:
    await remote.bus.publish([event("a")])

    has_read = asyncio.Event()

    async def read_on() -> None:
        async for _ in remote.bus.read("c", 0):
            has_read.set()

    reading = asyncio.ensure_future(read_on())
    await asyncio.wait_for(has_read.wait(), PATIENCE_S)
    async with remote.outage():
        with pytest.raises(ServiceError):
            await asyncio.wait_for(reading, PATIENCE_S)


async def test_nobody_is_answered_accepted_while_the_server_is_away(remote: Rig) -> None:
    await remote.bus.publish([event("a", dedup="a")])
    async with remote.outage():
        for name in ("b", "c"):
            with pytest.raises((ServiceError, StorageError)):
                await remote.bus.publish([event(name, dedup=name)])
    take_it = functools.partial(remote.bus.publish, [event("d", dedup="d")])

    async def is_taken() -> bool:
        try:
            await take_it()
        except ServiceError:
            return False
        return True

    await until(is_taken, "events are taken again", PATIENCE_S)
    async with aclosing(remote.bus.read("c", 0)) as reading:
        read: list[str] = []
        async for events in reading:
            read += [one.id for one in events]
            if "d" in read:
                break
    assert read[0] == "a"
    assert read[-1] == "d"


async def test_a_bus_made_anew_is_read_from_its_beginning_and_that_is_told(
    remote: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    await remote.bus.publish([event("a"), event("b")])
    async with aclosing(remote.bus.read("c", 1000)) as reading:
        assert [one.id for one in await take(reading, 2)] == ["a", "b"]
    assert "bus_has_lost_events" in capsys.readouterr().out


async def test_what_others_have_put_on_a_bus_stops_nobody(
    remote: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    await remote.bus.publish([event("a")])
    await remote.put_foreign(b"hello")
    await remote.bus.publish([event("b")])
    async with aclosing(remote.bus.read("c", 0)) as reading:
        assert [one.id for one in await take(reading, 2)] == ["a", "b"]
    assert "bus_message_is_no_event" in capsys.readouterr().out
