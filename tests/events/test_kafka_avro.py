"""The kafka source with a schema registry: a real broker, a registry that is a fake (tests/servers/schema_registry)."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from events import check
from tests.events.test_kafka_source import config, make_topic
from tests.servers import kafka, process, webapi
from tests.servers.schema_registry import FakeRegistry, message
from tests.servers.waiting import until

ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "total", "type": "double"},
    ],
}
FIRST = b"\x54\x02\x04hi" + b"\x00\x00\x00\x00\x00\x00\x04\x40"  # 42, "hi", 2.5
SECOND = b"\x56\x00" + b"\x00\x00\x00\x00\x00\x00\x00\x40"  # 43, null, 2.0


@pytest.fixture(scope="module")
def broker() -> Iterator[process.Server]:
    with kafka.running() as server:
        yield server


@pytest.fixture
async def topic(broker: process.Server) -> str:
    return await make_topic(broker, partitions=1)


@pytest.fixture
async def producer(broker: process.Server) -> AsyncIterator[AIOKafkaProducer]:
    opened = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{broker.port}")
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with webapi.running(FakeRegistry(("me", "s3cret"))) as opened:
        assert isinstance(opened, FakeRegistry)
        opened.add(7, ORDER)
        yield opened


def spec(
    bench: Any, broker: process.Server, topic: str, registry: FakeRegistry, **more: Any
) -> dict[str, Any]:
    bench.secrets.values |= {("sr", "user"): b"me\n", ("sr", "password"): b"s3cret"}
    auth = {
        "username": {"name": "sr", "key": "user"},
        "password": {"name": "sr", "key": "password"},
    }
    known = {"url": f"{registry.url}/", "schemaId": 1, "auth": auth}
    return {"kafka": {"orders": config(broker.port, topic, schemaRegistry=known, **more)}}


def bodies(events: list[Any]) -> list[Any]:
    return [json.loads(event.data)["body"] for event in events]


async def test_avro_with_the_number_of_its_schema_is_json_and_a_schema_is_fetched_once(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
) -> None:
    await producer.send_and_wait(topic, message(7, FIRST))
    await producer.send_and_wait(topic, None, key=b"gone")
    await bench.apply(spec(bench, broker, topic, registry))
    await bench.arrived(2)
    await producer.send_and_wait(topic, message(7, SECOND))
    events = await bench.arrived(3)
    assert bodies(events) == [
        {"id": 42, "note": {"string": "hi"}, "total": 2.5},
        None,
        {"id": 43, "note": None, "total": 2},
    ]
    assert b'"body":{"id":42,"note":{"string":"hi"},"total":2.5}' in events[0].data
    assert registry.log == [("GET", "/schemas/ids/7")]


async def test_while_the_registry_is_away_messages_wait_and_none_is_lost(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
) -> None:
    registry.is_away = True
    await producer.send_and_wait(topic, message(7, FIRST))
    await bench.apply(spec(bench, broker, topic, registry, consumerGroup=None, partition="0"))
    await producer.send_and_wait(topic, message(7, FIRST))

    async def waits() -> bool:
        (status,) = bench.bank.status()
        return "schemaRegistry: GET" in (status.error or "")

    await until(waits, "the source waits")
    assert await bench.poison() == []
    registry.is_away = False
    assert [one["id"] for one in bodies(await bench.arrived(1))] == [42]


async def test_credentials_that_are_refused_keep_messages_waiting(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
) -> None:
    registry.user = ("me", "changed")
    await producer.send_and_wait(topic, message(7, FIRST))
    await bench.apply(spec(bench, broker, topic, registry))

    async def waits() -> bool:
        return "the credentials are not accepted" in (bench.bank.status()[0].error or "")

    await until(waits, "the source waits")
    registry.user = ("me", "s3cret")
    assert len(await bench.arrived(1)) == 1
    assert await bench.poison() == []


async def test_a_message_that_cannot_be_read_is_set_aside_and_the_next_ones_come(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
) -> None:
    registry.schemas[9] = {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"}
    registry.schemas[10] = {"schema": '{"type": "recrod"}'}
    registry.add(11, ORDER, references=[{"name": "a", "subject": "a", "version": 1}])
    for sent in (
        b"{}", message(7, FIRST[:3]), message(8, FIRST), message(9, FIRST), message(10, FIRST),
        message(11, FIRST), message(7, FIRST),
    ):  # fmt: skip
        await producer.send_and_wait(topic, sent)
    await bench.apply(spec(bench, broker, topic, registry))
    assert [one["id"] for one in bodies(await bench.arrived(1))] == [42]
    reasons = {one["place"]["offset"]: one["reason"] for one in await bench.poison()}
    said = {
        0: "this is not Avro with the number of a schema before it",
        1: "this is no value of schema 7: it ends too early",
        2: "the schema registry has no schema 8",
        3: "schema 9 is of the type PROTOBUF; only AVRO is known here",
        4: "schema 10: this is no Avro schema",
        5: "schema 11 refers to other schemas, which is not known here",
    }
    assert reasons.keys() == said.keys()
    assert all(reasons[offset].startswith(text) for offset, text in said.items())


@pytest.mark.parametrize("number", [7, 40403])
async def test_an_address_that_is_no_registry_loses_nothing(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
    number: int,
) -> None:
    """Whatever stands in the address: the answer alone says that a registry does not know a number."""
    given = spec(bench, broker, topic, registry)
    given["kafka"]["orders"]["schemaRegistry"]["url"] = f"{registry.url}/elsewhere"
    await producer.send_and_wait(topic, message(number, FIRST))
    await bench.apply(given)

    async def waits() -> bool:
        return "404" in (bench.bank.status()[0].error or "")

    await until(waits, "the source waits")
    assert await bench.poison() == []


async def test_many_and_large_messages_are_read_whole_and_in_order(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
) -> None:
    """So many that they are read in a thread; one of them is poison."""
    registry.add(12, {"type": "array", "items": "int"})
    large = b"\xc0\x9a\x0c" + b"\x02" * 100_000 + b"\x00"
    for sent in (large, large[:-2], b"\x02\x04\x00"):
        await producer.send_and_wait(topic, message(12, sent))
    await bench.apply(spec(bench, broker, topic, registry))
    assert bodies(await bench.arrived(2)) == [[1] * 100_000, [2]]
    (poison,) = await bench.poison()
    assert (poison["place"]["offset"], poison["bytes"]) == (1, len(large) - 2 + 5)


async def test_without_json_the_registry_is_not_asked(
    bench: Any,
    broker: process.Server,
    topic: str,
    producer: AIOKafkaProducer,
    registry: FakeRegistry,
) -> None:
    await producer.send_and_wait(topic, b"\x00\x00\x00\x00\x07")
    await bench.apply(spec(bench, broker, topic, registry, jsonBody=False))
    assert bodies(await bench.arrived(1)) == ["AAAAAAc="]
    await asyncio.sleep(0)
    assert registry.log == []


async def test_without_the_extra_a_source_says_what_to_install(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    given = config(1, "t", schemaRegistry={"url": "http://registry"})
    await bench.apply({"kafka": {"orders": given}})
    assert "pip install 'bireme[avro]'" in bench.bank.status()[0].error
    assert list(check.faults({"kafka": {"orders": given}})) == []


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        ({"schemaId": 1}, "schemaRegistry.url is missing"),
        ({"url": "http://r", "auth": {"username": {"name": "a", "key": "b"}}}, "needs username"),
        ({"url": "http://r", "subject": "x"}, "subject"),
    ],
)
def test_a_registry_that_cannot_work_is_refused_by_lint(registry: Any, said: str) -> None:
    given = {"kafka": {"orders": config(1, "t", schemaRegistry=registry)}}
    [(_, message)] = check.faults(given)
    assert said in message
