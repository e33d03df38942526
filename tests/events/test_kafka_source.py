"""The kafka source against a real broker: every message one event, wherever things break."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bireme.storage.ports import StorageUnavailable
from events import sizes
from events.ports import Place
from events.rewind import REWIND, parse
from tests.servers import kafka, process, proxy
from tests.servers.waiting import until


@pytest.fixture(scope="module")
def broker() -> Iterator[process.Server]:
    with kafka.running() as server:
        yield server


@pytest.fixture
async def topic(broker: process.Server) -> str:
    return await make_topic(broker, partitions=2)


@pytest.fixture
async def producer(broker: process.Server) -> AsyncIterator[AIOKafkaProducer]:
    opened = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{broker.port}")
    await opened.start()
    yield opened
    await opened.stop()


async def make_topic(broker: process.Server, partitions: int) -> str:
    name = f"t-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{broker.port}")
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1)])
    await admin.close()
    return name


def config(broker_port: int, topic: str, **more: Any) -> dict[str, Any]:
    group = {"groupName": f"g-{topic}", "oldest": True}
    return {
        "url": f"127.0.0.1:{broker_port}",
        "topic": topic,
        "consumerGroup": group,
        "jsonBody": True,
        **more,
    }


ALONE = {"consumerGroup": None, "partition": "0"}
"""Without a group, which takes the broker long to notice the end of."""


def body(event: Any) -> Any:
    return json.loads(event.data)["body"]


async def restart(bench: Any, spec: dict[str, Any]) -> None:
    await bench.bank.remove("default", "hooks")
    await bench.apply(spec)


async def test_a_message_is_an_event_with_all_that_upstream_shows(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(
        topic,
        b'{"n": 1.50}',
        key=b"k",
        partition=1,
        headers=[("a", b"1"), ("a", b"2")],
        timestamp_ms=1784365200123,
    )
    await bench.apply({"kafka": {"orders": config(broker.port, topic, metadata={"m": "x"})}})
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert payload == {
        "topic": topic,
        "key": "k",
        "partition": 1,
        "body": {"n": 1.5},
        "timestamp": "2026-07-18 09:00:00.123 +0000 UTC",
        "headers": {"a": "2"},
        "metadata": {"m": "x"},
    }
    assert b'"n":1.50' in event.data
    assert event.id == f"hooks:orders:127.0.0.1:{broker.port}:{topic}:1:0"


async def test_without_json_a_body_is_text_of_its_bytes_and_a_tombstone_is_empty(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topic, b"\xff\x00", partition=0)
    await producer.send_and_wait(topic, None, key=b"gone", partition=0)
    await bench.apply({"kafka": {"orders": config(broker.port, topic, jsonBody=False)}})
    events = await bench.arrived(2)
    assert [body(event) for event in events] == [base64.b64encode(b"\xff\x00").decode(), ""]


async def test_a_restarted_source_goes_on_where_it_was_and_repeats_nothing(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    spec = {"kafka": {"orders": config(broker.port, topic)}}
    await bench.apply(spec)
    for number in range(5):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await bench.arrived(5)
    await bench.bank.remove("default", "hooks")
    for number in range(5, 8):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await bench.apply(spec)
    assert [body(event) for event in await bench.arrived(8)] == list(range(8))
    assert bench.bank.status()[0].duplicates == 0


async def test_a_single_partition_without_a_group_loses_nothing_while_nobody_listens(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topic, b"0", partition=1)
    alone = {**ALONE, "partition": "1"}
    spec = {"kafka": {"orders": config(broker.port, topic, **alone)}}
    await bench.apply(spec)
    await bench.bank.remove("default", "hooks")
    await producer.send_and_wait(topic, b"1", partition=1)
    await bench.apply(spec)
    assert [body(event) for event in await bench.arrived(1)] == [1]


async def test_places_and_events_are_one_commit(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    """The pipeline fails, so the events are not kept, and neither is the place behind them."""
    spec = {"kafka": {"orders": config(broker.port, topic, **ALONE)}}
    broken = asyncio.Event()

    def refuse(tx: Any, events: Any) -> None:
        broken.set()
        raise ValueError("poison")

    bench.bus._pipeline = refuse
    await bench.apply(spec)
    await producer.send_and_wait(topic, b"7", partition=0)
    await asyncio.wait_for(broken.wait(), 20)
    place = Place("default", "hooks", "kafka", "orders")
    facts = await bench.bank._state.facts(place)
    assert facts[f"{topic}/0"] == b"0 0"
    bench.bus._pipeline = None
    await restart(bench, spec)
    assert [body(event) for event in await bench.arrived(1)] == [7]
    assert (await bench.bank._state.facts(place))[f"{topic}/0"] == b"1 0"


class Narrow:
    """The log, on a bus that takes no event of a thousand bytes."""

    def __init__(self, log: Any) -> None:
        self._log = log

    async def publish(self, events: Any, also: Any = None) -> Any:
        sizes.check(events, lambda event: len(event.data), 999, "send less")
        return await self._log.publish(events, also)


async def test_a_message_too_large_for_the_bus_is_set_aside_and_its_place_is_passed(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    spec = {"kafka": {"orders": config(broker.port, topic, **ALONE)}}
    log, bench.bus = bench.bus, Narrow(bench.bus)
    await bench.apply(spec)
    for text in (b"1", b'"%b"' % (b"x" * 2000), b"2"):
        await producer.send_and_wait(topic, text, partition=0)
    bench.bus = log
    await bench.arrived(2)
    await producer.send_and_wait(topic, b"3", partition=0)
    await restart(bench, spec)
    assert [body(event) for event in await bench.arrived(3)] == [1, 2, 3]
    (found,) = await bench.poison()
    assert "the bus takes at most 999; send less" in found["reason"]


async def test_who_was_overtaken_keeps_nothing_and_goes_on_from_where_the_other_one_is(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    """As after a pause so long that another member has had the partition meanwhile."""
    spec = {"kafka": {"orders": config(broker.port, topic, **ALONE)}}
    await bench.apply(spec)
    place = Place("default", "hooks", "kafka", "orders")
    await bench.bank._state.note(place, {f"{topic}/0": b"2 0"})
    for number in range(4):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    assert [body(event) for event in await bench.arrived(2)] == [2, 3]
    await until(lambda: bench.bank.status()[0].accepted == 2)
    status = bench.bank.status()[0]
    assert (status.restarts, status.duplicates) == (1, 0)


async def test_a_source_that_could_not_note_where_it_stands_is_started_again(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client calls us back when it has partitions, and only logs what goes wrong there."""
    note, refused = bench.bank._state.note, asyncio.Event()

    async def once(*given: Any) -> None:
        if not refused.is_set():
            refused.set()
            raise StorageUnavailable("the disk is full")
        await note(*given)

    monkeypatch.setattr(bench.bank._state, "note", once)
    await producer.send_and_wait(topic, b"7", partition=0)
    await bench.apply({"kafka": {"orders": config(broker.port, topic)}})
    assert [body(event) for event in await bench.arrived(1)] == [7]
    assert bench.bank.status()[0].restarts == 1


async def test_more_than_one_commit_takes_come_in_order_and_whole(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    for number in range(6000):
        await producer.send(topic, b"%d" % number, partition=number % 2)
    await producer.flush()
    await bench.apply({"kafka": {"orders": config(broker.port, topic)}})
    await bench.arrived(6000)
    rows = await bench.database.read("SELECT data FROM events ORDER BY seq")
    found = [json.loads(row[0])["body"] for row in rows]
    assert [n for n in found if n % 2] == list(range(1, 6000, 2))
    assert [n for n in found if not n % 2] == list(range(0, 6000, 2))


async def test_partitions_pause_while_the_store_is_away_and_nothing_is_lost(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    publish, refusals = bench.bus.publish, 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal refusals
        refusals += 1
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    await bench.apply({"kafka": {"orders": config(broker.port, topic)}})
    for number in range(3):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await until(lambda: refusals >= 2)
    bench.bus.publish = publish
    assert [body(event) for event in await bench.arrived(3)] == [0, 1, 2]
    assert bench.bank.status()[0].restarts == 0


async def test_poison_is_passed_over_and_told(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for value in (b"1", b"{not json", b"2"):
        await producer.send_and_wait(topic, value, partition=0)
    await bench.apply({"kafka": {"orders": config(broker.port, topic)}})
    assert [body(event) for event in await bench.arrived(2)] == [1, 2]
    said = capsys.readouterr().out
    assert "message_is_poison" in said
    assert "offset=1" in said
    (kept,) = await bench.poison()
    assert kept["place"] == {"topic": topic, "partition": 0, "offset": 1}
    assert kept["body"] == "{not json"


async def test_the_group_is_told_how_far_we_are(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    await bench.apply({"kafka": {"orders": config(broker.port, topic)}})
    for number in range(4):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    await bench.arrived(4)
    await bench.bank.remove("default", "hooks")
    looker = AIOKafkaConsumer(bootstrap_servers=f"127.0.0.1:{broker.port}", group_id=f"g-{topic}")
    await looker.start()
    try:
        only = TopicPartition(topic, 0)

        async def is_told() -> bool:
            return await looker.committed(only) is not None

        await until(is_told, "the group has an offset")
        assert await looker.committed(only) == 4
    finally:
        await looker.stop()


async def test_a_rewound_source_reads_again_as_new_events(
    bench: Any, broker: process.Server, topic: str, producer: AIOKafkaProducer
) -> None:
    spec = {"kafka": {"orders": config(broker.port, topic, **ALONE)}}
    await bench.apply(spec)
    for number in range(4):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    before = await bench.arrived(4)
    await bench.bank.rewind("default", "hooks", "orders", parse("2"))
    after = await bench.arrived(6)
    assert [body(event) for event in after[4:]] == [2, 3]
    assert len({event.id for event in after}) == 6
    assert {event.id for event in before} < {event.id for event in after}
    place = Place("default", "hooks", "kafka", "orders")
    assert REWIND not in await bench.bank._state.facts(place)


async def test_a_broker_that_is_away_is_said_and_found_again(
    bench: Any, broker: process.Server, topic: str
) -> None:
    nobody = process.free_port()
    await bench.apply({"kafka": {"orders": config(nobody, topic)}})
    (status,) = bench.bank.status()
    assert status.state == "waiting to restart"
    assert str(nobody) in status.error


async def test_messages_come_whole_through_a_network_that_is_cut_again_and_again(
    bench: Any, producer: AIOKafkaProducer, tmp_path: Any
) -> None:
    port = process.free_port()
    async with proxy.between(port) as between:
        server = kafka.server(tmp_path, port, advertised=between.port)
        with process.running(server):
            topic = await make_topic(server, partitions=1)
            sender = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{between.port}")
            await sender.start()
            await bench.apply({"kafka": {"orders": config(between.port, topic)}})
            for number in range(60):
                await sender.send_and_wait(topic, b"%d" % number, partition=0)
                if number % 20 == 10:
                    between.cut()
            events = await bench.arrived(60, patience_s=60)
            await sender.stop()
    assert sorted(set(map(body, events))) == list(range(60))
    assert len({event.id for event in events}) == len(events)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": ""}, "url is missing"),
        ({"topic": ""}, "topic is missing"),
        ({"consumerGroup": {"groupName": ""}}, "groupName is missing"),
        ({"consumerGroup": None}, "partition is ''"),
        ({"sasl": {"mechanism": "GSSAPI"}}, "sasl.mechanism is 'GSSAPI'"),
        ({"sasl": {"mechanism": "PLAIN"}}, "sasl needs userSecret"),
        ({"topics": "x"}, "topics"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, wrong: dict[str, Any], said: str
) -> None:
    await bench.apply({"kafka": {"orders": {**config(1, "t"), **wrong}}})
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert said in status.error
