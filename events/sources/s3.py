"""Event source `s3`: objects that come into a bucket of S3 or of what speaks like it, or leave it; or whole data sets.

    spec:
      s3:
        uploads:                       # every object is an event; what no notification told is found by listing
          bucket: landing
          region: eu-central-1
          filter: {prefix: in/, suffix: .csv}
          sqs: {queue: landing-uploads}
          reconcile: {interval: 10m}
        days:                          # every day's folder is one event, once it is complete
          bucket: landing
          region: eu-central-1
          sqs: {queue: landing-days}
          dataSet: {prefix: "daily/{day}/", marker: _SUCCESS}
        polled:
          bucket: legacy
          endpoint: http://storage.local:9000
          accessKey: {name: storage, key: accessKey}
          secretKey: {name: storage, key: secretKey}
          poll: {interval: 1m}

Payload: of an object `{"bucket", "key", "eventName", "eventTime", "size", "eTag", "versionId", "sequencer", "foundBy",
"record", "metadata"}`; `record` is the notification's own form; of a data set `{"dataSet", "values", "bucket",
"count", "size", "objects": [{"key", …}], "metadata"}`. The event's attribute `foundby` is `listing` for what no
notification told, and `outdated` is `true` when a newer change of the object was told before.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

import orjson

from bireme.kit.supervise import run_together
from events import aws, fields
from events.buckets import datasets, feeds, minio_listen
from events.buckets.bucket import Bucket
from events.buckets.catalogue import Catalogue, Straight, Taker
from events.buckets.collecting import Collector
from events.buckets.objects import Change, Wanted
from events.ports import BadSourceConfig, Publish, Surroundings
from events.registry import sources

_POLL_S = 60.0
_RECONCILE_S = 600.0
_GRACE_S = 300.0


class Poll(fields.Fields, frozen=True, kw_only=True):
    """List every `interval`. What lies there at the first start is an event only when `existing` says so."""

    interval: str = ""
    existing: bool = False


class Reconcile(fields.Fields, frozen=True, kw_only=True):
    """List every `interval` besides, and tell what no notification told within `grace`."""

    interval: str = ""
    grace: str = ""


class DataSet(fields.Fields, frozen=True, kw_only=True):
    """Objects under `prefix` belong together; one of the others says when they are complete. `list` looks through the
    bucket before a set is closed."""

    prefix: str
    marker: str = ""
    manifest: str = ""
    count: int = 0
    patterns: tuple[str, ...] = ()
    list: bool = True


class ObjectFilter(fields.Fields, frozen=True, kw_only=True):
    """By the key; `expression` is evaluated on the payload."""

    prefix: str = ""
    suffix: str = ""
    expression: str | None = None


@sources.register("s3")
class S3Source:
    """Every change once, however it was told and however often; with `reconcile` or `poll` also what was not told."""

    class Config(aws.Account, frozen=True, kw_only=True):
        bucket: str = ""
        ca_certificate: fields.SecretRef | None = None
        events: tuple[str, ...] = ("s3:ObjectCreated:*",)
        filter: ObjectFilter | None = None
        sqs: feeds.Sqs | None = None
        listen: bool = False
        webhook: fields.Webhook | None = None
        poll: Poll | None = None
        reconcile: Reconcile | None = None
        data_set: DataSet | None = None
        metadata: dict[str, str] | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._rule = _rule(config)
        _check(config)
        self._wanted = _wanted(config)
        self._aws = aws.Aws(config, surroundings, config.ca_certificate)
        self._interval_s, self._grace_s = _times(config)
        self._feed = self._make_feed()

    async def run(self, publish: Publish) -> None:
        async with AsyncExitStack() as stack:
            bucket = await self._bucket(stack)
            taker = self._taker(publish, bucket)
            is_new = await taker.open()
            if bucket is None:
                await self._feed.run(self._taking(taker), _nothing)
                return
            lister = feeds.Lister(bucket, self._wanted, taker, self._around.clock)
            await self._run_beside(lister, self._taking(taker), is_new=is_new)

    async def _run_beside(self, lister: feeds.Lister, take: feeds.Take, *, is_new: bool) -> None:
        """The feed, and the listing beside it."""
        tasks: dict[str, Awaitable[None]] = {
            "feed": self._feed.run(take, self._first_look(lister, is_new=is_new))
        }
        if self._config.reconcile is not None:
            tasks["reconcile"] = lister.keep_looking(self._feed, self._interval_s, self._grace_s)
        await run_together(tasks, stop=asyncio.Event())

    def _first_look(self, lister: feeds.Lister, *, is_new: bool) -> feeds.Look:
        """The first start remembers what lies there; a later one looks what it missed, where no queue has kept it."""
        if self._config.sqs is not None and (self._config.reconcile is None or not is_new):
            return _nothing
        pending = [lister.begin] if is_new else []

        async def look() -> None:
            await (pending.pop() if pending else lister.look)()

        return look

    def _taking(self, taker: Taker) -> feeds.Take:
        async def take(changes: Any) -> None:
            await taker.take([one for one in changes if self._wanted.concerns(one)])

        return take

    def _taker(self, publish: Publish, bucket: Bucket | None) -> Taker:
        config = self._config
        existing = config.poll is not None and config.poll.existing
        if self._rule is not None:
            lists = config.data_set is not None and config.data_set.list
            return Collector(
                self._around,
                publish,
                self._rule,
                bucket if lists or self._rule.manifest else None,
                metadata=config.metadata,
                existing=existing,
                listed=bucket is not None and (config.reconcile is not None or config.sqs is None),
            )
        if bucket is None:
            return Straight(publish, self._shape, self._wanted)
        return Catalogue(self._around, publish, self._shape, self._wanted, existing=existing)

    async def _bucket(self, stack: AsyncExitStack) -> Bucket | None:
        """The bucket, for whom a queue alone is not enough."""
        config = self._config
        if config.sqs is not None or config.webhook is not None:
            lists = config.data_set is not None and (
                config.data_set.list or bool(config.data_set.manifest)
            )
            if config.reconcile is None and not lists:
                return None
        client = await stack.enter_async_context(self._aws.client("s3"))
        return Bucket(client, config.bucket)

    def _make_feed(self) -> feeds.Feed:
        config = self._config
        if config.sqs is not None:
            return feeds.SqsFeed(config.sqs, self._aws, self._around)
        if config.webhook is not None:
            return feeds.WebhookFeed(config.webhook, self._around)
        if config.listen:
            return feeds.ListenFeed(self._listening(), self._around)
        interval = config.poll.interval if config.poll else ""
        return feeds.PollFeed(fields.seconds(interval, "poll.interval", _POLL_S), self._around)

    def _listening(self) -> minio_listen.Listening:
        config = self._config
        if not config.endpoint or config.access_key is None or config.secret_key is None:
            raise BadSourceConfig("listen needs endpoint, accessKey and secretKey")
        return minio_listen.Listening(
            config.endpoint,
            config.region,
            (config.access_key, config.secret_key),
            self._wanted,
            self._around,
            config.ca_certificate,
        )

    def _shape(self, change: Change, is_outdated: bool) -> bytes:
        payload: dict[str, Any] = {
            "bucket": change.bucket,
            "key": change.key,
            "eventName": change.event,
            "eventTime": change.time,
            "size": change.size,
            "eTag": change.etag,
            "versionId": change.version,
            "sequencer": change.sequencer,
            "foundBy": change.found_by,
            "outdated": is_outdated or "",
            "record": change.record or "",
            "metadata": self._config.metadata or "",
        }
        return orjson.dumps({name: value for name, value in payload.items() if value != ""})


async def _nothing() -> None:
    """A queue keeps what happens while we are away."""


def _check(config: S3Source.Config) -> None:
    if not config.bucket:
        raise BadSourceConfig("bucket is missing: write the bucket's name")
    ways = [config.sqs, config.webhook, config.poll, config.listen or None]
    if sum(way is not None for way in ways) != 1:
        raise BadSourceConfig(
            "give exactly one of sqs, listen, webhook and poll: how changes of the bucket arrive"
        )
    if config.poll is not None and config.reconcile is not None:
        raise BadSourceConfig("reconcile goes with notifications; poll lists the bucket anyway")


def _rule(config: S3Source.Config) -> datasets.Rule | None:
    given = config.data_set
    if given is None:
        return None
    if config.filter is not None and (config.filter.prefix or config.filter.suffix):
        raise BadSourceConfig("filter.prefix and filter.suffix: dataSet says which objects count")
    rule = datasets.Rule(given.prefix, given.marker, given.manifest, given.count, given.patterns)
    try:
        rule.check()
    except datasets.BadRule as error:
        raise BadSourceConfig(str(error)) from error
    return rule


def _wanted(config: S3Source.Config) -> Wanted:
    asked = config.filter or ObjectFilter()
    prefix, events = asked.prefix, config.events
    if config.data_set is not None:
        prefix = config.data_set.prefix.partition("{")[0]
        events = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    return Wanted(bucket=config.bucket, events=events, prefix=prefix, suffix=asked.suffix)


def _times(config: S3Source.Config) -> tuple[float, float]:
    asked = config.reconcile or Reconcile()
    return (
        fields.seconds(asked.interval, "reconcile.interval", _RECONCILE_S),
        fields.seconds(asked.grace, "reconcile.grace", _GRACE_S),
    )
