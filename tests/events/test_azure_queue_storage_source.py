"""The azureQueueStorage source against a fake of the service, which comes in no package we can start."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from events.azure_queue import Account
from events.ports import BadSourceConfig
from tests.servers import azure_queue, process, webapi
from tests.servers.waiting import until


@pytest.fixture
async def queue() -> AsyncIterator[azure_queue.AzureQueue]:
    fake = azure_queue.AzureQueue()
    async with webapi.running(fake):
        yield fake


async def apply(bench: Any, queue: azure_queue.AzureQueue, **config: Any) -> None:
    bench.secrets.values.setdefault(("azure", "connection"), queue.connection)
    event = {
        "queueName": "orders", "connectionString": {"name": "azure", "key": "connection"},
        "jsonBody": True, "waitTimeInSeconds": 1, **config,
    }  # fmt: skip
    await bench.apply({"azureQueueStorage": {"orders": event}})


async def test_a_message_becomes_one_event_and_leaves_the_queue(
    bench: Any, queue: azure_queue.AzureQueue
) -> None:
    sent = queue.send('{"n": 1.50, "sign": "<&>"}')
    await apply(bench, queue, metadata={"team": "shop"})
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert list(payload) == ["body", "messageID", "insertionTime", "metadata"]
    assert payload["messageID"] == sent
    assert payload["insertionTime"] == "2026-11-26T14:00:00Z"
    assert b'"body":{"n":1.50,"sign":"<&>"}' in event.data
    await until(lambda: queue.deleted == [sent], "it is deleted")


async def test_encoded_messages_are_decoded_when_that_is_wanted(
    bench: Any, queue: azure_queue.AzureQueue
) -> None:
    text = base64.b64encode("plain ✓".encode()).decode()
    queue.send(text)
    await apply(bench, queue, decodeMessage=True, jsonBody=False)
    assert json.loads((await bench.arrived(1))[0].data)["body"] == text


@pytest.mark.parametrize("config", [{}, {"decodeMessage": True}])
async def test_poison_is_deleted_and_does_not_stop_the_others(
    bench: Any, queue: azure_queue.AzureQueue, config: dict[str, Any]
) -> None:
    good = base64.b64encode(b"{}").decode() if config else "{}"
    sent = [queue.send("no json, no base64"), queue.send(good)]
    await apply(bench, queue, **config)
    await until(lambda: queue.deleted == sent)
    assert len(await bench.events()) == 1


async def test_with_dlq_poison_stays_in_the_queue(
    bench: Any, queue: azure_queue.AzureQueue
) -> None:
    poison, good = queue.send("no json"), queue.send("{}")
    await apply(bench, queue, dlq=True)
    await until(lambda: queue.deleted == [good])
    assert list(queue.hidden) == [poison]


async def test_what_becomes_visible_while_the_log_cannot_be_written_is_one_event(
    bench: Any, queue: azure_queue.AzureQueue
) -> None:
    publish, tries = bench.bus.publish, 0

    async def away(events: Any, also: Any = None) -> Any:
        nonlocal tries
        tries += 1
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    sent = queue.send("{}")
    await apply(bench, queue)
    await until(lambda: tries >= 2, "it is tried again")
    assert queue.deleted == []
    queue.unhide()
    bench.bus.publish = publish
    await until(lambda: queue.deleted == [sent], "it came again and was deleted")
    assert len(await bench.events()) == 1
    assert bench.bank.status()[0].duplicates == 1


async def test_a_wrong_key_is_told_without_the_key(
    bench: Any, queue: azure_queue.AzureQueue
) -> None:
    wrong = base64.b64encode(b"wrong").decode()
    text = f"AccountName=shop;AccountKey={wrong};QueueEndpoint={queue.url}/shop"
    bench.secrets.values["azure", "connection"] = text.encode()
    await apply(bench, queue)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "403 AuthenticationFailed" in status.error
    assert wrong not in status.error


async def test_an_unknown_queue_is_named(bench: Any, queue: azure_queue.AzureQueue) -> None:
    await apply(bench, queue, queueName="nowhere")
    error = bench.bank.status()[0].error
    assert "nowhere: 404 QueueNotFound" in error


async def test_a_service_that_is_away_is_named(bench: Any, queue: azure_queue.AzureQueue) -> None:
    gone = f"http://127.0.0.1:{process.free_port()}"
    text = f"AccountName=shop;AccountKey=a2V5;QueueEndpoint={gone}"
    bench.secrets.values["azure", "connection"] = text.encode()
    await apply(bench, queue)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert gone in status.error


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("AccountName=shop;AccountKey=a2V5", "https://shop.queue.core.windows.net"),
        (
            "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=a2V5;EndpointSuffix=x.cn",
            "https://shop.queue.x.cn",
        ),
        ("QueueEndpoint=https://q/;SharedAccessSignature=sv=1&sig=a%3D", "https://q"),
    ],
)
def test_connection_strings_name_an_endpoint(text: str, endpoint: str) -> None:
    assert Account.parse(text).endpoint == endpoint


@pytest.mark.parametrize("text", ["hunter2", "AccountName=shop", "AccountName=a;AccountKey=!!"])
def test_a_connection_string_that_cannot_work_is_told_without_its_words(text: str) -> None:
    with pytest.raises(BadSourceConfig, match="connectionString") as caught:
        Account.parse(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"queueName": ""}, "queueName is missing"),
        ({"connectionString": None}, "write connectionString, or storageAccountName"),
        ({"waitTimeInSeconds": -1}, "waitTimeInSeconds"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, queue: azure_queue.AzureQueue, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, queue, **config)
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
