"""Source `amqp` against a real broker: payloads, acknowledgement after durable, poison, brokers that go and come."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.events.stream_bench import Hangs, bodies, fails, payload
from tests.servers import process, rabbitmq
from tests.servers.waiting import until


@pytest.fixture(scope="module")
def rabbit() -> Iterator[process.Server]:
    with rabbitmq.running() as server:
        yield server


def exchange(port: int, name: str, **more: Any) -> dict[str, Any]:
    config = {
        "url": f"amqp://guest:guest@127.0.0.1:{port}/",
        "exchangeName": name,
        "exchangeType": "topic",
        "routingKey": "orders.*",
        "queueDeclare": {"name": f"q-{name}", "durable": True},
        "jsonBody": True,
        **more,
    }
    return {"amqp": {"orders": config}}


async def amqp_send(port: int, name: str, *values: bytes, **properties: Any) -> None:
    import aio_pika

    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/")
    channel = await connection.channel()
    found = await channel.get_exchange(name)
    for value in values:
        message = aio_pika.Message(value, delivery_mode=2, **properties)
        await found.publish(message, "orders.new")
    await connection.close()


async def test_an_amqp_message_is_an_event_with_all_that_upstream_shows(
    bench: Any, rabbit: process.Server
) -> None:
    await bench.apply(exchange(rabbit.port, "shape", metadata={"m": "x"}))
    await amqp_send(rabbit.port, "shape", b'{"n": 1}', message_id="i", priority=3, expiration=60)
    (event,) = await bench.arrived(1)
    assert payload(event) == {
        "contentType": "",
        "contentEncoding": "",
        "deliveryMode": 2,
        "priority": 3,
        "correlationId": "",
        "replyTo": "",
        "expiration": "60000",
        "messageId": "i",
        "timestamp": "0001-01-01 00:00:00 +0000 UTC",
        "type": "",
        "appId": "",
        "exchange": "shape",
        "routingKey": "orders.new",
        "body": {"n": 1},
        "metadata": {"m": "x"},
    }


async def test_amqp_messages_are_acknowledged_only_once_durable_and_wait_for_us(
    bench: Any, rabbit: process.Server
) -> None:
    held = Hangs(bench)
    await bench.apply(exchange(rabbit.port, "held"))
    await amqp_send(rabbit.port, "held", b"0")
    await asyncio.wait_for(held.begun.wait(), 10)
    await bench.bank.remove("default", "hooks")
    await amqp_send(rabbit.port, "held", *(b"%d" % n for n in range(1, 10)))
    held.release()
    await bench.apply(exchange(rabbit.port, "held"))
    assert bodies(await bench.arrived(10)) == list(range(10))


async def test_an_amqp_message_with_an_id_is_one_event_however_often_it_comes(
    bench: Any, rabbit: process.Server
) -> None:
    await bench.apply(exchange(rabbit.port, "twice"))
    await amqp_send(rabbit.port, "twice", b"1", b"1", b"2", message_id="i")
    assert bodies(await bench.arrived(2)) == [1, 2]
    assert bench.bank.status()[0].duplicates == 1


async def test_amqp_poison_goes_to_the_dead_letter_exchange(
    bench: Any, rabbit: process.Server
) -> None:
    import aio_pika

    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{rabbit.port}/")
    channel = await connection.channel()
    dead = await channel.declare_queue("dead", durable=True)
    arguments = 'x-dead-letter-exchange: ""\nx-dead-letter-routing-key: dead\n'
    queue = {"name": "q-poison", "durable": True, "arguments": arguments}
    await bench.apply(exchange(rabbit.port, "poison", queueDeclare=queue))
    await amqp_send(rabbit.port, "poison", b"1", b"{", b"2")
    assert bodies(await bench.arrived(2)) == [1, 2]
    found: list[bytes] = []

    async def is_dead() -> bool:
        message = await dead.get(fail=False, no_ack=True)
        found.extend([message.body] if message else [])
        return found == [b"{"]

    await until(is_dead, "the message is dead")
    await connection.close()


async def test_an_amqp_broker_that_goes_is_said_and_nothing_is_lost(
    bench: Any, rabbit: process.Server
) -> None:
    await bench.apply(exchange(rabbit.port, "gone"))
    await amqp_send(rabbit.port, "gone", b"1")
    await bench.arrived(1)
    rabbit.kill()
    assert "broker" in await fails(bench)
    rabbit.start()
    await until(lambda: bench.bank.status()[0].state == "listening", "it listens", 60)
    await amqp_send(rabbit.port, "gone", b"2")
    assert bodies(await bench.arrived(2)) == [1, 2]
