"""The azureServiceBus source against a fake that speaks AMQP 1.0: the service's emulator is a container only."""

import base64
import gc
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import azure_bus, process
from tests.servers.waiting import until

# The library leaves the sockets of lines that were cut to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
async def bus() -> AsyncIterator[azure_bus.AzureBus]:
    async with azure_bus.running(azure_bus.AzureBus()) as fake:
        yield fake
    gc.collect()


@pytest.fixture
def bench(bus: azure_bus.AzureBus, bench: Any) -> Any:
    """The service outlives its client."""
    return bench


async def apply(bench: Any, bus: azure_bus.AzureBus, **config: Any) -> None:
    bench.secrets.values.setdefault(("azure", "connection"), bus.connection.encode())
    event = {
        "queueName": "orders", "connectionString": {"name": "azure", "key": "connection"},
        "jsonBody": True, **config,
    }  # fmt: skip
    await bench.apply({"azureServiceBus": {"orders": event}})


async def test_a_message_becomes_one_event_and_leaves_the_queue(
    bench: Any, bus: azure_bus.AzureBus
) -> None:
    await bus.send("orders", b'{"n": 1.50}', message_id="m1", content_type="application/json")
    await apply(bench, bus, metadata={"team": "shop"})
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert payload == {
        "applicationProperties": {"team": "shop", "n": 2}, "body": {"n": 1.5},
        "contentType": "application/json", "correlationID": None,
        "enqueuedTime": "2026-11-26T14:00:00.123000Z", "messageID": "m1", "replyTo": None,
        "sequenceNumber": 1, "subject": None, "metadata": {"team": "shop"},
    }  # fmt: skip
    assert list(payload)[:2] == ["applicationProperties", "body"]
    assert b'"body":{"n":1.50}' in event.data
    await until(lambda: len(bus.completed) == 1, "it is completed")


async def test_a_topics_subscription_is_read_too(bench: Any, bus: azure_bus.AzureBus) -> None:
    await apply(bench, bus, queueName="", topicName="shop", subscriptionName="ship", jsonBody=False)
    await bus.send("shop/Subscriptions/ship", b"\xff\x00")
    (event,) = await bench.arrived(1)
    assert base64.b64decode(json.loads(event.data)["body"]) == b"\xff\x00"


async def test_ids_that_are_no_texts_are_shown_as_texts(
    bench: Any, bus: azure_bus.AzureBus
) -> None:
    given = UUID(int=7)
    await apply(bench, bus)
    await bus.send("orders", b"{}", message_id=given, correlation_id=b"\xff1")
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert (payload["messageID"], payload["correlationID"]) == (str(given), "\ufffd1")


async def test_poison_goes_to_the_dead_letters_and_does_not_stop_the_others(
    bench: Any, bus: azure_bus.AzureBus
) -> None:
    await bus.send("orders", b"no json")
    await bus.send("orders", b"{}")
    await apply(bench, bus)
    await until(lambda: len(bus.completed) == 1 and len(bus.dead) == 1)
    assert len(await bench.events()) == 1
    assert bus.dead[0][0].data == [b"no json"]


async def test_what_comes_again_after_the_line_was_cut_is_one_event(
    bench: Any, bus: azure_bus.AzureBus
) -> None:
    publish, tries = bench.bus.publish, 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            await publish(events, also)
            await bus.hang_up()
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    await bus.send("orders", b"{}")
    await apply(bench, bus)
    await until(lambda: tries >= 2, "it is tried again")
    assert bus.completed == []
    bench.bus.publish = publish
    await until(lambda: len(bus.completed) == 1, "it came again and was completed")
    assert len(await bench.events()) == 1


async def test_a_wrong_key_is_told_without_the_key(bench: Any, bus: azure_bus.AzureBus) -> None:
    text = bus.connection.replace(azure_bus.KEY, "hunter2")
    bench.secrets.values["azure", "connection"] = text.encode()
    await apply(bench, bus)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "the key in connectionString was refused" in status.error
    assert "hunter2" not in status.error


async def test_an_unknown_queue_is_named(bench: Any, bus: azure_bus.AzureBus) -> None:
    await apply(bench, bus, queueName="nowhere")
    assert "nowhere" in bench.bank.status()[0].error


async def test_a_service_that_is_away_is_named(bench: Any, bus: azure_bus.AzureBus) -> None:
    gone = bus.connection.replace(str(bus.port), str(process.free_port()))
    bench.secrets.values["azure", "connection"] = gone.encode()
    await apply(bench, bus)
    assert bench.bank.status()[0].state == "waiting to restart"
    assert bench.bank.status()[0].error.startswith("orders: ")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"connectionString": None}, "write connectionString, or fullyQualifiedNamespace"),
        (
            {"connectionString": None, "fullyQualifiedNamespace": "evil.example"},
            "such as shop.servicebus.windows.net",
        ),
        ({"topicName": "shop"}, "write queueName, or topicName and subscriptionName"),
        ({"queueName": "", "topicName": "shop"}, "write queueName, or topicName"),
        ({"tls": {"insecureSkipVerify": True}}, "tls: the service shows"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, bus: azure_bus.AzureBus, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, bus, **config)
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error


async def test_a_connection_string_that_is_none_is_told_without_its_words(
    bench: Any, bus: azure_bus.AzureBus
) -> None:
    bench.secrets.values["azure", "connection"] = b"hunter2"
    await apply(bench, bus)
    error = bench.bank.status()[0].error
    assert "connectionString is none" in error
    assert "hunter2" not in error
