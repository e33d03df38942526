"""The sqs source against moto's SQS, a real server in another process."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bireme.storage.ports import StorageUnavailable
from tests.servers import moto, process
from tests.servers.waiting import until


@pytest.fixture(scope="module")
def aws() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


@pytest.fixture
async def sqs(aws: process.Server) -> AsyncIterator[Any]:
    async with moto.client(aws, "sqs") as client:
        yield client


@pytest.fixture
async def queue(sqs: Any, request: pytest.FixtureRequest) -> str:
    name = f"q-{abs(hash(request.node.name))}"
    await sqs.create_queue(QueueName=name)
    return name


async def apply(bench: Any, aws: process.Server, queue: str, **config: Any) -> None:
    bench.secrets.values["aws", "access"] = b"test"
    bench.secrets.values["aws", "secret"] = b"test\n"
    event = {"queue": queue, "waitTimeSeconds": 1, **moto.account(aws), **config}
    await bench.apply({"sqs": {"orders": event}})


async def left(sqs: Any, queue: str) -> dict[str, str]:
    url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {
        name.removeprefix("ApproximateNumberOfMessages"): value
        for name, value in answer["Attributes"].items()
        if name.startswith("ApproximateNumberOfMessages")
    }


async def emptied(sqs: Any, queue: str) -> None:
    async def is_empty() -> bool:
        return set((await left(sqs, queue)).values()) == {"0"}

    await until(is_empty, f"queue {queue} is empty")


async def send(sqs: Any, queue: str, body: str, **more: Any) -> str:
    url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    return str((await sqs.send_message(QueueUrl=url, MessageBody=body, **more))["MessageId"])


async def test_a_message_becomes_one_event_and_leaves_the_queue(
    bench: Any, aws: process.Server, sqs: Any, queue: str
) -> None:
    await apply(bench, aws, queue, jsonBody=True, metadata={"team": "shop"})
    attributes = {"kind": {"DataType": "String", "StringValue": "new"}}
    sent = await send(sqs, queue, '{"n": 1.50}', MessageAttributes=attributes)
    (event,) = await bench.arrived(1)
    payload = json.loads(event.data)
    assert list(payload) == ["messageId", "messageAttributes", "body", "metadata"]
    assert payload["messageId"] == sent
    assert payload["messageAttributes"]["kind"]["StringValue"] == "new"
    assert set(payload["messageAttributes"]["kind"]) == {
        "BinaryListValues", "BinaryValue", "DataType", "StringListValues", "StringValue",
    }  # fmt: skip
    assert b'"body":{"n":1.50}' in event.data
    await emptied(sqs, queue)


async def test_bytes_are_base64_without_json_body(
    bench: Any, aws: process.Server, sqs: Any, queue: str
) -> None:
    await apply(bench, aws, queue)
    await send(sqs, queue, "plain ✓")
    payload = json.loads((await bench.arrived(1))[0].data)
    assert base64.b64decode(payload["body"]).decode() == "plain ✓"
    assert payload["messageAttributes"] is None


async def test_a_message_that_is_not_json_does_not_stop_the_others(
    bench: Any, aws: process.Server, sqs: Any, queue: str
) -> None:
    await apply(bench, aws, queue, jsonBody=True)
    await send(sqs, queue, "no json")
    await send(sqs, queue, "{}")
    await bench.arrived(1)
    await emptied(sqs, queue)
    assert len(await bench.events()) == 1
    assert [one["body"] for one in await bench.poison()] == ["no json"]


async def test_with_dlq_what_is_not_json_is_left_to_the_redrive_policy(
    bench: Any, aws: process.Server, sqs: Any, queue: str
) -> None:
    dead = await sqs.create_queue(QueueName=f"{queue}-dead")
    arn = await sqs.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": "2"}
    url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
    await sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    await apply(bench, aws, queue, jsonBody=True, dlq=True)
    await send(sqs, queue, "no json")

    async def is_dead() -> bool:
        return (await left(sqs, f"{queue}-dead"))[""] == "1"

    await until(is_dead, "the message moves to the dead letter queue")


async def test_a_message_waits_in_the_queue_while_the_log_cannot_be_written(
    bench: Any, aws: process.Server, sqs: Any, queue: str
) -> None:
    publish, refused = bench.bus.publish, asyncio.Event()

    async def away(events: Any, also: Any = None) -> Any:
        refused.set()
        raise StorageUnavailable("the disk is full")

    bench.bus.publish = away
    await apply(bench, aws, queue)
    await send(sqs, queue, "kept")
    await until(lambda: bench.bank.status()[0].state == "waiting to restart")
    assert refused.is_set()
    assert set((await left(sqs, queue)).values()) == {"0", "1"}
    assert "the disk is full" in bench.bank.status()[0].error
    bench.bus.publish = publish
    assert len(await bench.arrived(1)) == 1
    await emptied(sqs, queue)


async def test_an_unknown_queue_is_named(bench: Any, aws: process.Server) -> None:
    await apply(bench, aws, "nowhere")
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "there is no queue 'nowhere' here" in status.error


async def test_an_endpoint_that_is_away_is_named_and_tried_again(
    bench: Any, aws: process.Server, sqs: Any, queue: str
) -> None:
    gone = {"endpoint": f"http://127.0.0.1:{process.free_port()}"}
    await apply(bench, aws, queue, **gone)
    status = bench.bank.status()[0]
    assert status.state == "waiting to restart"
    assert "cannot be reached" in status.error
    assert gone["endpoint"] in status.error


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"queue": ""}, "queue is missing"),
        ({"region": ""}, "region is missing"),
        ({"waitTimeSeconds": 21}, "waitTimeSeconds"),
        ({"secretKey": None}, "accessKey and secretKey go together"),
    ],
)
async def test_a_config_that_cannot_work_is_refused(
    bench: Any, aws: process.Server, config: dict[str, Any], complaint: str
) -> None:
    await apply(bench, aws, **{"queue": "any", **config})
    status = bench.bank.status()[0]
    assert status.state == "refused"
    assert complaint in status.error
