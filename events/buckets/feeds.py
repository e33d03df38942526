"""Ways in which changes of a bucket's objects arrive; each hands them on and acknowledges only afterwards."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from bireme.kit.clock import Clock
from events import fields, queue, webhooks
from events.aws import Aws
from events.buckets import minio_listen, objects
from events.buckets.bucket import Bucket
from events.buckets.catalogue import Taker
from events.buckets.objects import Change, NotANotification, Wanted
from events.http import Refused, text
from events.ports import BadSourceConfig, PoisonMessage, Surroundings

Take = Callable[[Sequence[Change]], Awaitable[None]]
# Once a feed hears, it looks at what lies there; nothing can happen unseen in between.
Look = Callable[[], Awaitable[None]]


class Feed(Protocol):
    """`run` hands changes on until cancelled; it calls `look` as soon as it hears, then says that it is ready."""

    async def run(self, take: Take, look: Look) -> None: ...

    @property
    def is_quiet(self) -> bool:
        """Whether everything that was told by now has been handed on, as far as one can know."""
        ...


class Sqs(fields.Fields, frozen=True, kw_only=True):
    """A queue that notifications are sent to, by the bucket itself, an SNS topic or an EventBridge rule."""

    queue: str
    queue_account_id: str = ""
    wait_time_seconds: int = 20
    visibility_timeout: int = 120
    dlq: bool = False


class SqsFeed:
    """A message is deleted once its changes are durable. One that is no notification is deleted, or left with `dlq`."""

    def __init__(self, config: Sqs, aws: Aws, surroundings: Surroundings) -> None:
        if not 1 <= config.wait_time_seconds <= 20:
            raise BadSourceConfig("sqs.waitTimeSeconds is from 1 to 20, the service's own limit")
        if not 2 <= config.visibility_timeout <= 43200:
            raise BadSourceConfig("sqs.visibilityTimeout is from 2 to 43200 seconds")
        self._config = config
        self._aws = aws
        self._around = surroundings
        self._queue: queue.Queue | None = None
        self._take: Take

    @property
    def is_quiet(self) -> bool:
        return self._queue is not None and self._queue.is_drained

    async def run(self, take: Take, look: Look) -> None:
        self._take = take
        config = self._config
        async with self._aws.client("sqs") as client:
            url = await queue.find(client, config.queue, config.queue_account_id)
            await look()
            self._around.ready()
            self._queue = queue.Queue(
                client,
                url,
                self._around.clock,
                wait_s=config.wait_time_seconds,
                hidden_s=config.visibility_timeout,
            )
            await self._queue.work(self._handle)

    async def _handle(self, messages: Sequence[queue.Message]) -> Collection[str]:
        told: list[Change] = []
        done: set[str] = set()
        poison: list[PoisonMessage] = []
        for message in messages:
            try:
                told += objects.changes(message.body)
            except NotANotification as error:
                where = {"message": message.id}
                poison.append(PoisonMessage(str(error), where, message.body.encode()))
                if self._config.dlq:
                    continue
            done.add(message.id)
        if poison:
            await self._around.set_aside(poison)
        await self._take(told)
        return done


class ListenFeed:
    """MinIO's stream. What happens while it is cut is found by the look after the next start."""

    def __init__(self, listening: minio_listen.Listening, surroundings: Surroundings) -> None:
        self._listening = listening
        self._around = surroundings

    @property
    def is_quiet(self) -> bool:
        return True

    async def run(self, take: Take, look: Look) -> None:
        async with self._listening.stream() as told:
            await look()
            self._around.ready()
            async for changes in told:
                await take(changes)


class WebhookFeed:
    """Notifications that are posted to us, as MinIO's webhook target does."""

    def __init__(self, webhook: fields.Webhook, surroundings: Surroundings) -> None:
        self._route = webhooks.HttpRoute(webhook, surroundings, self._reply)
        self._take: Take

    @property
    def is_quiet(self) -> bool:
        return True

    async def run(self, take: Take, look: Look) -> None:
        self._take = take
        await self._route.run(look)

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.method != "POST":
            return text(200, "success")  # MinIO asks first whether somebody is there
        try:
            told = objects.changes(body)
        except NotANotification as error:
            raise Refused(400, str(error)) from error
        await self._take(told)
        return text(200, "success")


class PollFeed:
    """No notifications at all: looking again and again."""

    def __init__(self, interval_s: float, around: Surroundings) -> None:
        self._interval_s = interval_s
        self._around = around

    @property
    def is_quiet(self) -> bool:
        return True

    async def run(self, take: Take, look: Look) -> None:
        await look()
        self._around.ready()
        while True:
            await self._around.clock.sleep(self._interval_s)
            await look()


@dataclass(frozen=True, slots=True)
class Lister:
    """Lists what lies in the bucket now, and has the taker compare. Without a grace everything counts at once."""

    bucket: Bucket
    wanted: Wanted
    taker: Taker
    clock: Clock

    async def begin(self) -> None:
        await self.taker.begin_with(await self._list())

    async def look(self, grace_s: float | None = None) -> None:
        now = self.clock.now()
        await self.taker.compare(await self._list(), now, grace_s)

    async def _list(self) -> list[Change]:
        found = await self.bucket.list(self.wanted.prefix)
        return [one for one in found if self.wanted.concerns(one)]

    async def keep_looking(self, feed: Feed, interval_s: float, grace_s: float) -> None:
        """Every interval, for ever. While notifications are still being worked off one round is left out: they may
        tell it themselves."""
        was_busy = False
        while True:
            await self.clock.sleep(interval_s)
            was_busy = not feed.is_quiet and not was_busy
            if not was_busy:
                await self.look(grace_s)
