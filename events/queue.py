"""Receiving from an SQS queue: at least once, a message is deleted only after what it caused is durable.

Who handles messages says which of them are done. What is not done, and what was in hand when something failed,
becomes visible again at once. While messages are in hand their invisibility is prolonged.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import structlog

from bireme.kit.clock import Clock
from bireme.kit.supervise import TaskScope
from events.aws import AwsError, speaking_to

log = structlog.get_logger(__name__)

_MOST = 10  # messages in one receive, the service's own limit
_GONE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


class Message(msgspec.Struct, frozen=True):
    """One message as received. `raw` is the service's own object; `id` is the same at every delivery."""

    id: str
    receipt: str
    body: str
    raw: dict[str, Any]


# Given a batch, gives the ids of those that may be deleted.
Handle = Callable[[Sequence[Message]], Awaitable[Collection[str]]]


class Queue:
    """One queue by its URL. `wait_s` is how long one receive waits for messages, `hidden_s` how long they stay
    invisible to others before that is prolonged."""

    def __init__(self, client: Any, url: str, clock: Clock, *, wait_s: int, hidden_s: int) -> None:
        self._client = client
        self._url = url
        self._clock = clock
        self._wait_s = wait_s
        self._hidden_s = hidden_s
        self.is_drained = False  # the last receive found nothing

    async def work(self, handle: Handle) -> None:
        """Receive and handle until cancelled. Raises AwsError when the queue fails, and what `handle` raises."""
        while True:
            messages = await self._receive()
            self.is_drained = not messages
            if messages:
                await self._handle(messages, handle)

    async def _receive(self) -> list[Message]:
        with speaking_to(f"the queue {self._url}"):
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_MOST,
                VisibilityTimeout=self._hidden_s,
                WaitTimeSeconds=self._wait_s,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
        return [
            Message(found["MessageId"], found["ReceiptHandle"], found["Body"], found)
            for found in answer.get("Messages", ())
        ]

    async def _handle(self, messages: Sequence[Message], handle: Handle) -> None:
        done: Collection[str] = ()
        try:
            async with self._held(messages):
                done = await handle(messages)
        finally:
            await self._give_back([one for one in messages if one.id not in done])
        await self._delete([one for one in messages if one.id in done])

    @asynccontextmanager
    async def _held(self, messages: Sequence[Message]) -> AsyncIterator[None]:
        scope = TaskScope("queue")
        scope.start("hold", self._hold(messages))
        try:
            yield
        finally:
            await scope.close()

    async def _hold(self, messages: Sequence[Message]) -> None:
        while True:
            await self._clock.sleep(self._hidden_s / 2)
            with suppress(AwsError):  # then they come once more, and are recognised
                await self._hide(messages, self._hidden_s)

    async def _give_back(self, messages: Sequence[Message]) -> None:
        """A queue that is away gives them back by itself, later."""
        if messages:
            with suppress(AwsError):
                await self._hide(messages, 0)

    async def _hide(self, messages: Sequence[Message], seconds: int) -> None:
        with speaking_to(f"the queue {self._url}"):
            await self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": one.receipt,
                        "VisibilityTimeout": seconds,
                    }
                    for number, one in enumerate(messages)
                ],
            )

    async def _delete(self, messages: Sequence[Message]) -> None:
        """What cannot be deleted comes once more, and is recognised by its id."""
        if not messages:
            return
        entries = [
            {"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(messages)
        ]
        with speaking_to(f"the queue {self._url}"):
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        for failure in answer.get("Failed", ()):
            log.warning("queue_message_not_deleted", queue=self._url, error=failure.get("Message"))


async def find(client: Any, name: str, account_id: str = "") -> str:
    """The URL of the queue of that name, or the name when it is a URL. Raises AwsError naming the queue."""
    if "://" in name:
        return name
    owner = {"QueueOwnerAWSAccountId": account_id} if account_id else {}
    try:
        with speaking_to(f"the queue {name!r}"):
            answer = await client.get_queue_url(QueueName=name, **owner)
    except AwsError as error:
        if error.code not in _GONE:
            raise
        raise AwsError(f"there is no queue {name!r} here: create it, or correct `queue`") from error
    return str(answer["QueueUrl"])
