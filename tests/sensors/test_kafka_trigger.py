"""The kafka trigger on a real broker."""

from collections.abc import Iterator
from typing import Any

import pytest

from bireme.kit.reach import PUBLIC
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload, ref
from tests.servers import kafka, process


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
    "a schema registry": (
        {"url": "x:1", "topic": "t", "schemaRegistry": {"url": "http://r"}},
        "kafka.schemaRegistry is not supported",
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
