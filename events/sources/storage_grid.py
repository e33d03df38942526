"""Event source `storageGrid`: notifications of a NetApp StorageGRID bucket.

    spec:
      storageGrid:
        uploads:
          webhook: {endpoint: /grid, port: "12000", url: "https://etl.example"}
          topicArn: urn:etl:sns:us-east::landing
          bucket: landing
          region: us-east-1
          events: ["s3:ObjectCreated:*"]
          filter: {prefix: in/, suffix: .csv}
          apiURL: https://grid.example/api/v3
          authToken: {name: grid, key: token}

Payload: `{"notification": {"Action": …, "Message": {"Records": […]}, "TopicArn": …, "Version": …}, "metadata": {…}}`.
With `apiURL` the bucket's notification is configured at the start.
"""

import urllib.parse
from typing import Any
from xml.sax.saxutils import escape

import msgspec
import orjson
import structlog
from aiohttp import web

from events import fields, rest, webhooks
from events.buckets import objects
from events.buckets.objects import Change, NotANotification, Wanted
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls, context

log = structlog.get_logger(__name__)

_MOST_FIELDS = 50


class KeyFilter(fields.Fields, frozen=True, kw_only=True):
    """By the key."""

    prefix: str = ""
    suffix: str = ""


@sources.register("storageGrid")
class StorageGridSource:
    """A notification is one event, by its records' sequencers, and is answered once that is durable."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        events: tuple[str, ...] = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
        filter: KeyFilter | None = None
        topic_arn: str = ""
        bucket: str = ""
        region: str = ""
        auth_token: fields.SecretRef | None = None
        api_url: str = msgspec.field(name="apiURL", default="")
        tls: Tls | None = None
        metadata: dict[str, str] | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        if config.api_url and not (config.auth_token and config.bucket and config.topic_arn):
            raise BadSourceConfig("apiURL needs authToken, bucket and topicArn")
        asked = config.filter or KeyFilter()
        self._wanted = Wanted(
            bucket=config.bucket, events=config.events, prefix=asked.prefix, suffix=asked.suffix
        )
        self._route = webhooks.HttpRoute(config.webhook, surroundings, self._reply)
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        await self._route.run(self._configure if self._config.api_url else None)

    async def _configure(self) -> None:
        config = self._config
        assert config.auth_token is not None  # checked
        token = fields.secret(self._around.secrets, self._around.place, config.auth_token)
        verify = context(config.tls, self._around.secrets, self._around.place.namespace) or True
        async with rest.session() as session:
            bearer = {"Authorization": f"Bearer {token.decode().strip()}"}
            api = rest.Api(session, config.api_url, bearer, verify=verify)
            path = f"/org/containers/{urllib.parse.quote(config.bucket, '')}/notification"
            await api.call("PUT", path, body={"notification": notification(config)})
        log.info("bucket_notification_configured", bucket=config.bucket)

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response()  # StorageGRID asks first whether somebody is there
        told = _form(body)
        changes = _changes(told["Message"])
        wanted = [one for one in changes if self._wanted.concerns(one) and self._wanted.tells(one)]
        if wanted:
            await self._publish([self._event(told, wanted)], refuse_large=True)
        answer = _ANSWER.format(id=self._around.ids.uid())
        return web.Response(text=answer, content_type="text/plain")

    def _event(self, told: dict[str, str], wanted: list[Change]) -> NewEvent:
        notification = {
            "Action": told.get("Action", ""),
            "Message": {"Records": [one.record for one in wanted]},
            "TopicArn": told.get("TopicArn", ""),
            "Version": told.get("Version", ""),
        }
        payload: dict[str, Any] = {"notification": notification}
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        dedup = orjson.dumps([one.identity for one in wanted]).decode()
        return NewEvent(data=orjson.dumps(payload), dedup=dedup)


_ANSWER = (
    '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>'
    "<MessageId>{id}</MessageId></PublishResult></PublishResponse>\n"
)


def _form(body: bytes) -> dict[str, str]:
    try:
        named = urllib.parse.parse_qs(body.decode(), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refused(400, f"the form cannot be read: {error}") from error
    if "Message" not in named:
        raise Refused(400, "the form has no Message")
    return {name: values[0] for name, values in named.items()}


def _changes(message: str) -> list[Change]:
    try:
        return objects.changes(message)
    except NotANotification as error:
        raise Refused(400, str(error)) from error


def notification(config: StorageGridSource.Config) -> str:
    """The bucket's notification configuration, in S3's XML."""
    asked = config.filter or KeyFilter()
    rules = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{escape(value)}</Value></FilterRule>"
        for name, value in (("prefix", asked.prefix), ("suffix", asked.suffix))
        if value
    )
    chosen = f"<Filter><S3Key>{rules}</S3Key></Filter>" if rules else ""
    events = "".join(f"<Event>{escape(event)}</Event>" for event in config.events)
    return (
        f"<NotificationConfiguration><TopicConfiguration><Id>bireme</Id>{chosen}"
        f"<Topic>{escape(config.topic_arn)}</Topic>{events}"
        "</TopicConfiguration></NotificationConfiguration>"
    )
