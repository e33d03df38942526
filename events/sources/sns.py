"""Event source `sns`: notifications of an Amazon SNS topic, their signature verified.

    spec:
      sns:
        orders:
          topicArn: arn:aws:sns:eu-central-1:123456789012:orders
          region: eu-central-1
          accessKey: {name: aws, key: accessKey}
          secretKey: {name: aws, key: secretKey}
          webhook: {endpoint: /sns, port: "12000", url: "https://ci.example"}

Payload: `{"header": {…}, "body": {"Type": "Notification", "Message": …}, "metadata": {…}}`. With `webhook.url` the
address is subscribed at the start; the topic's question whether we want that is answered. We stay subscribed when we
stop: SNS tries again until we are back.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
import structlog
from aiohttp import web

from events import aws, fields, hooks, sns_signature, streams, webhooks
from events.http import Refused, text
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.sns_signature import Envelope

log = structlog.get_logger(__name__)


@sources.register("sns")
class SnsSource:
    """A notification is one event, by its `MessageId`. Signatures are verified, unless `endpoint` names something that
    is not Amazon, or `validateSignature` is false."""

    class Config(aws.Account, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        topic_arn: str = ""
        validate_signature: bool | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.topic_arn:
            raise BadSourceConfig("topicArn is missing: write the topic's ARN")
        if not config.region:
            raise BadSourceConfig("region is missing: write the topic's region")
        self._config = config
        self._around = surroundings
        self._aws = aws.Aws(config, surroundings)
        self._route = webhooks.HttpRoute(config.webhook, surroundings, self._reply)
        self._verifier = sns_signature.Verifier(sns_signature.fetch)
        self._verifies = config.validate_signature
        if self._verifies is None:
            self._verifies = not config.endpoint
        if not self._verifies:
            name = surroundings.place.subject
            log.warning("sns_messages_not_verified", subject=name, advice="validateSignature: true")
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        url = self._config.webhook.url if self._config.webhook else ""
        await self._route.run(self._subscribe if url else None)

    async def _subscribe(self) -> None:
        """Subscribing an address again changes nothing."""
        assert self._config.webhook is not None
        address = hooks.address(self._config.webhook)
        async with self._client() as client:
            await client.subscribe(
                TopicArn=self._config.topic_arn,
                Protocol=address.partition(":")[0],
                Endpoint=address,
            )
        log.info("sns_topic_subscribed", topic=self._config.topic_arn, address=address)

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        async with self._aws.client("sns") as client:
            with aws.speaking_to(f"the topic {self._config.topic_arn}"):
                yield client

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        envelope = await self._trusted(body)
        if envelope.type == "SubscriptionConfirmation":
            await self._confirm(envelope)
        elif envelope.type == "Notification":
            await self._publish([self._event(request, envelope, body)], refuse_large=True)
            return text(200, "success")
        return text(200, "")

    async def _trusted(self, body: bytes) -> Envelope:
        """The signature lies inside: no more is read of the body than it needs, before it holds."""
        try:
            envelope = msgspec.json.decode(body, type=Envelope)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"the body is no message of SNS: {error}") from error
        if envelope.topic_arn != self._config.topic_arn:
            raise Refused(400, "the message is of another topic", close=True)
        if self._verifies:
            try:
                await self._verifier.verify(envelope)
            except sns_signature.NotSigned as error:
                raise Refused(400, str(error), close=True) from error
        return envelope

    async def _confirm(self, envelope: Envelope) -> None:
        """By the API, so that no address in a message is ever called."""
        if not envelope.token:
            raise Refused(400, "the confirmation has no Token")
        async with self._client() as client:
            await client.confirm_subscription(TopicArn=self._config.topic_arn, Token=envelope.token)
        log.info("sns_subscription_confirmed", topic=self._config.topic_arn)

    def _event(self, request: web.BaseRequest, envelope: Envelope, body: bytes) -> NewEvent:
        payload: dict[str, Any] = {
            "header": webhooks.headers(request),
            "body": orjson.Fragment(streams.compact(body)),
        }
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        return NewEvent(data=orjson.dumps(payload), dedup=envelope.message_id)
