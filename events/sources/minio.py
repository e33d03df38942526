"""Event source `minio`: objects that come into a MinIO bucket or leave it, by MinIO's own listen API.

    spec:
      minio:
        uploads:
          endpoint: minio.storage:9000
          insecure: true
          bucket: {name: input}
          events: ["s3:ObjectCreated:*"]
          filter: {prefix: in/, suffix: .csv}
          accessKey: {name: minio, key: accessKey}
          secretKey: {name: minio, key: secretKey}

Payload: `{"notification": [record], "metadata": {…}}`, the record as MinIO sends it. The stream is live only; what
happened while it was cut or while we were away is found by a listing after the next connect, and the attribute
`foundby` of its event is `listing`. What lay there before the first start is no event.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from events import aws, fields
from events.buckets import feeds, minio_listen
from events.buckets.bucket import Bucket
from events.buckets.catalogue import Catalogue
from events.buckets.objects import Change, Wanted
from events.ports import BadSourceConfig, Publish, Surroundings
from events.registry import sources


class BucketName(fields.Fields, frozen=True, kw_only=True):
    """Upstream's block for a bucket; `key` means nothing to a listener."""

    name: str = ""
    key: str = ""


class KeyFilter(fields.Fields, frozen=True, kw_only=True):
    """By the key."""

    prefix: str = ""
    suffix: str = ""


_EVENT = re.compile(r"s3:[A-Za-z]+:(\*|[A-Za-z]+(:[A-Za-z]+)*)")


@sources.register("minio")
class MinioSource:
    """Every change once; what the stream could not tell is found by listing when it is back."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        endpoint: str = ""
        bucket: BucketName | None = None
        region: str = ""
        insecure: bool = False
        access_key: fields.SecretRef | None = None
        secret_key: fields.SecretRef | None = None
        events: tuple[str, ...] = ()
        filter: KeyFilter | None = None
        ca_certificate: fields.SecretRef | None = None
        metadata: dict[str, str] | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check(config)
        assert config.bucket is not None  # checked
        assert config.access_key is not None
        assert config.secret_key is not None
        asked = config.filter or KeyFilter()
        endpoint = f"{'http' if config.insecure else 'https'}://{config.endpoint}"
        account = aws.Account(
            access_key=config.access_key,
            secret_key=config.secret_key,
            region=config.region or "us-east-1",
            endpoint=endpoint,
        )
        self._around = surroundings
        self._metadata = config.metadata
        self._wanted = Wanted(
            bucket=config.bucket.name,
            events=config.events,
            prefix=asked.prefix,
            suffix=asked.suffix,
        )
        self._aws = aws.Aws(account, surroundings, config.ca_certificate)
        listening = minio_listen.Listening(
            endpoint,
            config.region,
            (config.access_key, config.secret_key),
            self._wanted,
            surroundings,
            config.ca_certificate,
        )
        self._feed = feeds.ListenFeed(listening, surroundings)

    async def run(self, publish: Publish) -> None:
        catalogue = Catalogue(self._around, publish, self._shape, self._wanted)
        is_new = await catalogue.open()
        async with self._aws.client("s3") as client:
            bucket = Bucket(client, self._wanted.bucket)
            lister = feeds.Lister(bucket, self._wanted, catalogue, self._around.clock)

            async def take(changes: Sequence[Change]) -> None:
                await catalogue.take([one for one in changes if self._wanted.concerns(one)])

            await self._feed.run(take, lister.begin if is_new else lister.look)

    def _shape(self, change: Change, is_outdated: bool) -> bytes:
        payload: dict[str, Any] = {"notification": [change.record or _record(change)]}
        if self._metadata:
            payload["metadata"] = self._metadata
        return orjson.dumps(payload)


def _check(config: MinioSource.Config) -> None:
    if config.bucket is None or not config.bucket.name:
        raise BadSourceConfig("bucket.name is missing: write the bucket's name")
    if not config.endpoint:
        raise BadSourceConfig("endpoint is missing: write host:port of the server")
    if "://" in config.endpoint:
        raise BadSourceConfig("endpoint is host:port; `insecure: true` stands for plain http")
    if config.access_key is None or config.secret_key is None:
        raise BadSourceConfig("accessKey and secretKey are needed")
    if not config.events:
        raise BadSourceConfig('events is missing: write e.g. ["s3:ObjectCreated:*"]')
    for event in config.events:
        if not _EVENT.fullmatch(event):
            raise BadSourceConfig(f"unknown event {event}: write e.g. s3:ObjectCreated:*")


def _record(change: Change) -> dict[str, Any]:
    """The record MinIO would have sent, as far as a listing knows."""
    return {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": change.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "eventName": change.event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": change.bucket, "arn": f"arn:aws:s3:::{change.bucket}"},
            "object": {
                "key": quote(change.key, safe=""),
                "size": change.size,
                "eTag": change.etag,
            },
        },
    }
