"""Event source `mns`: messages of a queue of Alibaba's message service.

    spec:
      mns:
        orders:
          endpoint: https://1234567890.mns.cn-hangzhou.aliyuncs.com
          queue: orders
          accessKey: {name: aliyun, key: accessKey}
          secretKey: {name: aliyun, key: secretKey}

Payload: `{"messageId": …, "body": "<base64>", "metadata": {…}}`; `jsonBody` is read and without effect, as upstream.

A message is deleted after its event is durable, and is one event however often it is delivered.
"""

import base64
import binascii
from typing import Any

import structlog

from events import fields, mns, rest, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

_WAIT_S = 20


@sources.register("mns")
class MnsSource:
    """Each message once. How long a message in hand stays hidden is set on the queue."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        access_key: fields.SecretRef | None = None
        secret_key: fields.SecretRef | None = None
        queue: str = ""
        endpoint: str = ""
        json_body: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.queue:
            raise BadSourceConfig("queue is missing: write the name of the queue")
        if not config.endpoint.startswith(("https://", "http://")):
            raise BadSourceConfig(
                f"endpoint is {config.endpoint!r}: write the account's address,"
                " such as https://1234.mns.cn-hangzhou.aliyuncs.com"
            )
        if config.access_key is None or config.secret_key is None:
            raise BadSourceConfig("accessKey and secretKey are both needed")
        self._config = config
        self._refs = (config.access_key, config.secret_key)
        self._around = surroundings
        self._forward = streams.Forwarder[mns.Message](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        config, around = self._config, self._around
        name, key = (fields.secret(around.secrets, around.place, ref) for ref in self._refs)
        async with rest.session() as session:
            keys = mns.Keys(name.decode(), key)
            queue = mns.Queue(session, config.endpoint, config.queue, keys, around.clock)
            wait_s = 0  # the first answer tells at once whether we may read here
            while True:
                messages = await queue.receive(wait_s)
                around.ready()
                wait_s = _WAIT_S
                await self._forward(publish, messages)
                for message in messages:
                    if not await queue.delete(message):
                        log.warning(
                            "queue_message_not_deleted", queue=config.queue, **_where(message)
                        )

    def _event(self, message: mns.Message) -> NewEvent:
        payload = {"messageId": message.id, "body": streams.body(_raw(message.text), False)}
        return streams.event(payload, self._config.metadata, dedup=message.id)


def _raw(text: str) -> bytes:
    """What was sent: the service's own clients send base64, others the text itself."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def _where(message: mns.Message) -> dict[str, Any]:
    return {"message": message.id}
