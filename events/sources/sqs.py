"""Event source `sqs`: messages of an Amazon SQS queue.

    spec:
      sqs:
        orders:
          region: eu-central-1
          queue: orders
          waitTimeSeconds: 20
          jsonBody: true
          accessKey: {name: aws, key: accessKey}
          secretKey: {name: aws, key: secretKey}

Payload: `{"messageId": …, "messageAttributes": {…}, "body": …, "metadata": {…}}`. A message is deleted after its event
is durable, and is one event however often the queue delivers it.
"""

import base64
from collections.abc import Collection, Sequence
from typing import Any

from events import aws, fields, queue, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

_WAIT_S = 3
_HIDDEN_S = 120


@sources.register("sqs")
class SqsSource:
    """Each message once. One whose body is not the JSON it should be is deleted, or with `dlq` left to the redrive."""

    class Config(aws.Account, frozen=True, kw_only=True):
        queue: str = ""
        queue_account_id: str = ""
        wait_time_seconds: int = 0
        json_body: bool = False
        dlq: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.queue:
            raise BadSourceConfig("queue is missing: write the name of the queue")
        if not config.region:
            raise BadSourceConfig("region is missing: write the region of the queue")
        if not 0 <= config.wait_time_seconds <= 20:
            raise BadSourceConfig("waitTimeSeconds is from 1 to 20, the service's own limit")
        self._config = config
        self._around = surroundings
        self._aws = aws.Aws(config, surroundings)
        self._forward = streams.Forwarder[queue.Message](surroundings, self._event, _where)
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        config = self._config
        async with self._aws.client("sqs") as client:
            url = await queue.find(client, config.queue, config.queue_account_id)
            self._around.ready()
            wait_s = config.wait_time_seconds or _WAIT_S
            await queue.Queue(
                client, url, self._around.clock, wait_s=wait_s, hidden_s=_HIDDEN_S
            ).work(self._handle)

    async def _handle(self, messages: Sequence[queue.Message]) -> Collection[str]:
        events, poison = await self._forward.made(messages)
        if events:
            await self._publish(events)
        left = {one.id for one in poison} if self._config.dlq else set()
        return {one.id for one in messages} - left

    def _event(self, message: queue.Message) -> NewEvent:
        payload: dict[str, Any] = {
            "messageId": message.id,
            "messageAttributes": _attributes(message.raw.get("MessageAttributes")),
            "body": streams.body(message.body.encode(), self._config.json_body),
        }
        return streams.event(payload, self._config.metadata, dedup=message.id)


def _where(message: queue.Message) -> dict[str, Any]:
    return {"message": message.id}


def _attributes(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """As upstream's client shows them: every member always there, bytes as base64."""
    if not given:
        return None
    return {
        name: {
            "BinaryListValues": None,
            "BinaryValue": _text(value.get("BinaryValue")),
            "DataType": value.get("DataType"),
            "StringListValues": None,
            "StringValue": value.get("StringValue"),
        }
        for name, value in given.items()
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
