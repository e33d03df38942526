"""Two members of one Kafka group under load, while one of them comes and goes: each message is one event."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from bireme.storage.open import open_database
from bireme.storage.ports import Database
from tests.events.conftest import Bench, GivenSecrets
from tests.events.test_kafka_source import config, make_topic
from tests.servers import kafka, process
from tests.servers.waiting import until

PARTITIONS = 4
TURNS = 2
EACH_TURN = 40
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def broker() -> Iterator[process.Server]:
    with kafka.running() as server:
        yield server


@asynccontextmanager
async def member(database: Database, spec: dict[str, Any]) -> AsyncIterator[Bench]:
    """A process of its own, as far as the group can tell."""
    opened = Bench(database, GivenSecrets())
    await opened.apply(spec)
    try:
        yield opened
    finally:
        await opened.close()


class Load:
    """Numbered messages on all partitions, in turns."""

    def __init__(self, broker: process.Server, topic: str) -> None:
        self.topic = topic
        self.sent = 0
        self._producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{broker.port}")

    async def __aenter__(self) -> "Load":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def turn(self) -> None:
        for _ in range(EACH_TURN):
            where = self.sent % PARTITIONS
            await self._producer.send_and_wait(self.topic, b"%d" % self.sent, partition=where)
            self.sent += 1


async def taken(*databases: Database) -> Counter[int]:
    """How often each number is in the logs, all together."""
    found: Counter[int] = Counter()
    for database in databases:
        rows = await database.read("SELECT data FROM events")
        found.update(json.loads(bytes(row[0]))["body"] for row in rows)
    return found


def all_of(load: Load, *databases: Database) -> Callable[[], Any]:
    async def are_here() -> bool:
        return len(await taken(*databases)) == load.sent

    return are_here


async def come_and_go(load: Load, first: Database, second: Database, spec: dict[str, Any]) -> None:
    """The second member joins and leaves in the middle of every turn; both have worked in the end."""
    async with member(first, spec) as one:
        for _ in range(TURNS):
            sending = asyncio.ensure_future(load.turn())
            async with member(second, spec) as other:
                before = other.bank.status()[0].accepted

                async def shares(
                    other: Bench = other, before: int = before, sending: Any = sending
                ) -> bool:
                    if sending.done() and other.bank.status()[0].accepted == before:
                        await load.turn()
                    return other.bank.status()[0].accepted > before

                await until(shares, "the second member gets its share", PATIENCE_S)
            await sending
        await until(all_of(load, first, second), "every message is an event", PATIENCE_S)
        assert one.bank.status()[0].restarts == 0


async def test_members_on_one_store_make_one_event_of_each_message_through_rebalances(
    broker: process.Server, database: Database
) -> None:
    topic = await make_topic(broker, PARTITIONS)
    async with Load(broker, topic) as load:
        await come_and_go(load, database, database, {"kafka": {"o": config(broker.port, topic)}})
    assert set((await taken(database)).values()) == {1}


async def test_members_on_stores_of_their_own_share_the_messages_and_none_takes_one_twice(
    broker: process.Server, database: Database, tmp_path: Path
) -> None:
    topic = await make_topic(broker, PARTITIONS)
    other = await open_database(tmp_path / "other.db")
    try:
        async with Load(broker, topic) as load:
            await come_and_go(load, database, other, {"kafka": {"o": config(broker.port, topic)}})
        for one in (database, other):  # what the group was not told in time may be in both
            assert set((await taken(one)).values()) == {1}
    finally:
        await other.close()
