"""Source `mqtt` against a real broker: payloads, acknowledgement after durable, brokers that go and come."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.events.stream_bench import Hangs, again, bodies, fails, payload
from tests.servers import mosquitto, process


@pytest.fixture
def mqtt_server() -> Iterator[process.Server]:
    with mosquitto.running() as server:
        yield server


def topic(port: int, **more: Any) -> dict[str, Any]:
    url = f"tcp://127.0.0.1:{port}"
    return {"mqtt": {"heat": {"url": url, "topic": "house/#", "jsonBody": True, **more}}}


async def mqtt_send(port: int, *values: str) -> None:
    from aiomqtt import Client

    async with Client("127.0.0.1", port) as client:
        for value in values:
            await client.publish("house/hall", value, qos=1)


async def test_an_mqtt_message_is_an_event(bench: Any, mqtt_server: process.Server) -> None:
    await bench.apply(topic(mqtt_server.port, metadata={"m": "x"}))
    await mqtt_send(mqtt_server.port, "21.50")
    (event,) = await bench.arrived(1)
    assert payload(event) == {
        "topic": "house/hall",
        "messageId": 1,
        "body": 21.5,
        "metadata": {"m": "x"},
    }


async def test_mqtt_messages_sent_while_nobody_listened_come_later(
    bench: Any, mqtt_server: process.Server
) -> None:
    await bench.apply(topic(mqtt_server.port))
    await bench.bank.remove("default", "hooks")
    await mqtt_send(mqtt_server.port, *map(str, range(40)))
    await bench.apply(topic(mqtt_server.port))
    assert bodies(await bench.arrived(40)) == list(range(40))


async def test_an_mqtt_message_is_not_acknowledged_before_it_is_durable(
    bench: Any, mqtt_server: process.Server
) -> None:
    """The source is stopped with a message in hand; the broker has it still."""
    held = Hangs(bench)
    await bench.apply(topic(mqtt_server.port))
    await mqtt_send(mqtt_server.port, "7")
    await asyncio.wait_for(held.begun.wait(), 10)
    await bench.bank.remove("default", "hooks")
    held.release()
    await bench.apply(topic(mqtt_server.port))
    assert bodies(await bench.arrived(1)) == [7]


async def test_an_mqtt_broker_that_goes_is_said_and_found_again(
    bench: Any, mqtt_server: process.Server
) -> None:
    await bench.apply(topic(mqtt_server.port))
    mqtt_server.kill()
    assert str(mqtt_server.port) in await fails(bench)
    mqtt_server.start()
    await again(bench)
    await mqtt_send(mqtt_server.port, "1")
    assert bodies(await bench.arrived(1)) == [1]
