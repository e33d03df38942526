"""The kafka trigger on a real broker."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from bireme.kit.errors import MissingExtra
from bireme.kit.reach import PUBLIC
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import kafka, process, webapi
from tests.servers.schema_registry import FakeRegistry


@pytest.fixture(scope="module")
def broker() -> Iterator[process.Server]:
    with kafka.running() as server:
        yield server


async def records(broker: process.Server, topic: str, count: int) -> list[Any]:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=f"127.0.0.1:{broker.port}", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_record_has_key_headers_and_the_firing(
    broker: process.Server, make_event: Any
) -> None:
    url = f"127.0.0.1:{broker.port}"
    await kafka_topic(broker, "builds")
    async with Actor("kafka", token="s3cret-value") as actor:
        secure = [{"name": "token", "valueFrom": {"secretKeyRef": ref("token")}}]
        for number, compress in enumerate((False, True)):
            receipt = await actor.fire(
                {"a": make_event("e1")}, id=f"f{number}", url=url, topic="builds",
                partitioningKey="main", headers={"origin": "bireme"}, secureHeaders=secure,
                compress=compress, payload=payload(), partition=0, version="1.0.0",
            )  # fmt: skip
            assert receipt.note == f"partition 0, offset {number}"
    found = await records(broker, "builds", 2)
    assert [(one.key, one.value) for one in found] == [(b"main", b'{"n":1}')] * 2
    assert [dict(one.headers) for one in found] == [
        {"origin": b"bireme", "token": b"s3cret-value", "idempotency-key": f"f{n}".encode()}
        for n in range(2)
    ]


async def kafka_topic(broker: process.Server, name: str) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{broker.port}")
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()


async def test_a_broker_that_is_not_there_is_worth_a_retry(make_event: Any) -> None:
    async with Actor("kafka") as actor:
        with pytest.raises(TriggerFailed, match="kafka: topic x at 127"):
            await actor.fire({}, url="127.0.0.1:1", topic="x", payload=payload())


async def test_a_private_broker_is_out_of_public_reach() -> None:
    async with Actor("kafka", PUBLIC) as actor:
        with pytest.raises(TriggerRefused, match="private address"):
            await actor.fire({}, url="localhost:1", topic="x", payload=payload())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no topic": ({"url": "x:1"}, "kafka.topic is missing"),
    "a schema registry without an address": (
        {"url": "x:1", "topic": "t", "schemaRegistry": {"schemaId": 1}},
        "kafka.schemaRegistry.url is missing",
    ),
    "a schema registry without a schema": (
        {"url": "x:1", "topic": "t", "schemaRegistry": {"url": "http://r"}},
        "kafka.schemaRegistry.schemaId is None",
    ),
    "half a password": (
        {
            "url": "x:1",
            "topic": "t",
            "schemaRegistry": {"url": "http://r", "schemaId": 1, "auth": {"username": ref("u")}},
        },
        "auth needs username and password",
    ),
    "acks nobody knows": ({"url": "x:1", "topic": "t", "requiredAcks": 2}, "expected -1"),
    "a mechanism nobody knows": (
        {"url": "x:1", "topic": "t", "sasl": {"mechanism": "GSSAPI"}},
        "kafka.sasl.mechanism is 'GSSAPI'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_sent_is_refused_with_a_sentence(name: str) -> None:
    block, message = REFUSED[name]
    with pytest.raises(BadSensor) as failure:
        Actor("kafka").prepared({}, **block)
    assert message in str(failure.value)


COUNT = {"type": "record", "name": "Count", "fields": [{"name": "n", "type": "long"}]}
AUTH = {"username": ref("user"), "password": ref("password")}


async def test_with_a_schema_registry_a_record_is_avro_with_the_number_of_its_schema(
    broker: process.Server, make_event: Any
) -> None:
    await kafka_topic(broker, "counts")
    url = f"127.0.0.1:{broker.port}"
    fake = FakeRegistry(("me", "s3cret-value"))
    fake.add(300, COUNT)
    async with webapi.running(fake), Actor("kafka", user="me!", password="s3cret-value") as actor:
        fake.user = ("me!", "s3cret-value")
        given = {"url": fake.url, "schemaId": 300, "auth": AUTH}
        for number in range(2):
            await actor.fire(
                {"a": make_event("e1")}, id=f"f{number}", url=url, topic="counts",
                schemaRegistry=given, payload=payload(),
            )  # fmt: skip
    found = await records(broker, "counts", 2)
    assert [one.value for one in found] == [b"\x00\x00\x00\x01\x2c\x02"] * 2
    assert fake.log == [("GET", "/schemas/ids/300")]


async def test_a_registry_that_is_away_or_lacks_the_schema_is_worth_a_retry(
    make_event: Any,
) -> None:
    fake = FakeRegistry()
    block = {"url": "127.0.0.1:1", "topic": "t", "payload": payload()}
    known = {"url": fake.url, "schemaId": 1}
    events = {"a": make_event("e1")}
    async with webapi.running(fake), Actor("kafka") as actor:
        with pytest.raises(TriggerFailed, match="the schema registry has no schema 1"):
            await actor.fire(events, **block, schemaRegistry=known)
        fake.is_away = True
        with pytest.raises(TriggerFailed, match=r"schemaRegistry: GET .* 503"):
            await actor.fire(events, **block, schemaRegistry=known)


async def test_a_payload_that_does_not_fit_the_schema_is_refused(make_event: Any) -> None:
    fake = FakeRegistry()
    fake.add(1, {**COUNT, "fields": [{"name": "n", "type": "string"}]})
    async with webapi.running(fake), Actor("kafka") as actor:
        with pytest.raises(
            TriggerRefused, match=r"schema 1: the value does not fit .*expected str"
        ):
            await actor.fire(
                {"a": make_event("e1")}, url="127.0.0.1:1", topic="t", payload=payload(),
                schemaRegistry={"url": fake.url, "schemaId": 1},
            )  # fmt: skip


async def test_without_the_extra_a_firing_says_what_to_install(
    make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    async with Actor("kafka") as actor:
        with pytest.raises(MissingExtra, match=r"bireme\[avro\]"):
            await actor.fire(
                {"a": make_event("e1")}, url="127.0.0.1:1", topic="t", payload=payload(),
                schemaRegistry={"url": "http://registry", "schemaId": 1},
            )  # fmt: skip


async def test_a_private_registry_is_out_of_public_reach(make_event: Any) -> None:
    async with Actor("kafka", PUBLIC) as actor:
        with pytest.raises(TriggerRefused, match="private address"):
            await actor.fire(
                {"a": make_event("e1")}, url="127.0.0.1:1", topic="t", payload=payload(),
                schemaRegistry={"url": "http://127.0.0.1:1", "schemaId": 1},
            )  # fmt: skip


async def test_a_broker_without_a_port_that_is_away_is_worth_a_retry(make_event: Any) -> None:
    async with Actor("kafka") as actor:
        with pytest.raises(TriggerFailed, match=r"nobody\.invalid") as failed:
            await actor.fire(
                {"a": make_event("e1")}, url="nobody.invalid", topic="t", payload=payload()
            )
    assert failed.value.retriable


async def test_an_address_that_is_none_is_the_manifests_fault(make_event: Any) -> None:
    async with Actor("kafka") as actor:
        with pytest.raises(BadSensor, match=r"kafka\.url: broker:kafka: "):
            await actor.fire(
                {"a": make_event("e1")}, url="broker:kafka", topic="t", payload=payload()
            )
