"""The queue loop by itself: messages in hand stay in hand, and errors say what helps."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from bireme.kit.clock import SystemClock
from events import queue
from events.aws import AwsError, speaking_to
from tests.servers import moto, process


@pytest.fixture(scope="module")
def aws() -> Iterator[process.Server]:
    with moto.running() as server:
        yield server


async def test_a_message_that_takes_longer_than_its_invisibility_is_handled_once(
    aws: process.Server,
) -> None:
    async with moto.client(aws, "sqs") as sqs:
        url = (await sqs.create_queue(QueueName="slow"))["QueueUrl"]
        await sqs.send_message(QueueUrl=url, MessageBody="x")
        clock, handled = SystemClock(), asyncio.Queue[str]()

        async def slowly(messages: Sequence[queue.Message]) -> set[str]:
            handled.put_nowait(messages[0].id)
            await clock.sleep(3)  # the server's own clock runs out meanwhile
            return {one.id for one in messages}

        loop = asyncio.ensure_future(
            queue.Queue(sqs, url, clock, wait_s=1, hidden_s=2).work(slowly)
        )
        await handled.get()
        others = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=4)
        loop.cancel()
        assert others.get("Messages", []) == []
        assert handled.empty()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ExpiredToken", "the credentials have expired, renew the secret"),
        ("InvalidClientTokenId", "the credentials are not accepted, check accessKey"),
        ("AccessDenied", "the credentials are not allowed to do this"),
        ("Throttling", "Throttling"),
    ],
)
def test_what_a_service_refuses_is_said_with_what_helps(code: str, advice: str) -> None:
    from botocore.exceptions import ClientError

    answer: Any = {"Error": {"Code": code, "Message": "no"}}
    with pytest.raises(AwsError, match=advice) as caught, speaking_to("the queue 'q'"):
        raise ClientError(answer, "ReceiveMessage")
    assert str(caught.value).startswith("the queue 'q': ")
    assert caught.value.code == code
    assert caught.value.retriable
