"""Real servers that deliver what can be no event, and messages of 50 MB: refused, kept aside, and nothing stops."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from events import poison
from tests.servers import mosquitto, nats, process, rabbitmq, redis
from tests.servers.waiting import until

LARGE = b"x" * (50 << 20)


async def refused(bench: Any, count: int) -> list[dict[str, Any]]:
    """What was set aside, in the order it came, once the good message behind it is an event."""
    (event,) = await bench.arrived(1, patience_s=60)
    assert json.loads(event.data).get("body", 1) == 1
    status = bench.bank.status()[0]
    assert (status.state, status.restarts, status.poison) == ("listening", 0, count)
    found = await poison.listed(bench.database)
    return sorted(found, key=lambda one: one["createdAt"])


def is_told(bad: dict[str, Any], large: dict[str, Any]) -> None:
    assert bad["reason"].startswith("jsonBody is true, but this is no JSON")
    assert large["reason"] == f"{len(LARGE)} bytes, at most {16 << 20} make an event"
    assert large["bytes"] == len(LARGE)


@pytest.fixture
async def redis_client() -> AsyncIterator[Any]:
    from redis.asyncio import Redis

    with redis.running("--client-output-buffer-limit", "pubsub 0 0 0") as server:
        async with Redis(port=server.port) as client:
            client.port = server.port
            yield client


async def test_redis_channels(bench: Any, redis_client: Any) -> None:
    address = f"127.0.0.1:{redis_client.port}"
    await bench.apply(
        {"redis": {"a": {"hostAddress": address, "channels": ["a"], "jsonBody": True}}}
    )
    for value in (b"{", LARGE, b"1"):
        await redis_client.publish("a", value)
    is_told(*await refused(bench, 2))


async def test_redis_streams_go_on_and_leave_nothing_pending(bench: Any, redis_client: Any) -> None:
    address = f"127.0.0.1:{redis_client.port}"
    await bench.apply({"redisStream": {"a": {"hostAddress": address, "streams": ["s"]}}})
    await redis_client.xadd("s", {"v": LARGE})
    await redis_client.xadd("s", {"v": "1"})
    (large,) = await refused(bench, 1)
    assert large["reason"].startswith(f"{len(LARGE)} bytes")
    assert (await poison.find(bench.database, large["id"]))["body"].startswith("v=xxx")

    async def is_done() -> bool:
        (group,) = await redis_client.xinfo_groups("s")
        return bool(group["pending"] == 0)

    await until(is_done, "both are acknowledged")


async def test_mqtt(bench: Any) -> None:
    from aiomqtt import Client

    with mosquitto.running() as server:
        url = f"tcp://127.0.0.1:{server.port}"
        event = {"url": url, "topic": "a", "clientId": "us", "jsonBody": True}
        await bench.apply({"mqtt": {"a": event}})
        async with Client("127.0.0.1", server.port, timeout=60) as client:
            for value in (b"{", LARGE, b"1"):
                await client.publish("a", value, qos=1)
        is_told(*await refused(bench, 2))


async def test_nats_jetstream_is_not_asked_again(bench: Any) -> None:
    import nats as library

    with nats.running() as server:
        url = f"nats://127.0.0.1:{server.port}"
        client = await library.connect(url)
        stream = client.jetstream()
        await stream.add_stream(name="A", subjects=["a"])
        event = {"url": url, "subject": "a", "jsonBody": True, "jetstream": {"oldest": True}}
        await bench.apply({"nats": {"a": event}})
        for value in (b"{", b"1"):
            await stream.publish("a", value)
        (bad,) = await refused(bench, 1)
        assert bad["place"]["nats_subject"] == "a"

        async def is_done() -> bool:
            (consumer,) = await stream.consumers_info("A")
            return (consumer.num_ack_pending, consumer.num_pending) == (0, 0)

        await until(is_done, "both are done with")
        await client.close()


@pytest.fixture
def rabbit() -> Iterator[process.Server]:
    with rabbitmq.running() as server:
        yield server


async def test_amqp_rejects_it_to_the_dead_letters(bench: Any, rabbit: process.Server) -> None:
    import aio_pika

    url = f"amqp://guest:guest@127.0.0.1:{rabbit.port}/"
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.declare_exchange("dead", "fanout", durable=True)
    dead = await channel.declare_queue("dead", durable=True)
    await dead.bind("dead")
    event = {
        "url": url, "exchangeName": "shop", "exchangeType": "topic", "routingKey": "a",
        "jsonBody": True, "queueDeclare": {
            "name": "orders", "durable": True, "arguments": "x-dead-letter-exchange: dead",
        },
    }  # fmt: skip
    await bench.apply({"amqp": {"a": event}})
    shop = await channel.get_exchange("shop")
    for value in (b"{", LARGE, b"1"):
        await shop.publish(aio_pika.Message(value), "a")
    is_told(*await refused(bench, 2))
    first, second = [await dead.get(timeout=30) for _ in range(2)]
    assert (first.body, len(second.body)) == (b"{", len(LARGE))
    for message in (first, second):
        await message.ack()
    await connection.close()
