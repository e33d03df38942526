"""Event source `azureQueueStorage`: messages of a queue of an Azure storage account.

    spec:
      azureQueueStorage:
        orders:
          queueName: orders
          connectionString: {name: azure, key: connection}
          decodeMessage: true      # messages are base64, as many clients write them
          jsonBody: true
          waitTimeInSeconds: 3

Without `connectionString`, `storageAccountName: shop` is opened by the identity of this machine. That needs the extra
`azure`.

Payload: `{"body": …, "messageID": …, "insertionTime": "2026-11-26T14:00:00Z", "metadata": {…}}`.

A message is deleted after its event is durable, and is one event however often it is delivered.
"""

import base64
import binascii
from typing import Any

import structlog

from events import azure_queue, fields, rest, streams
from events.azure_identity import Identity
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

_WAIT_S = 3
_HIDDEN_S = 120


@sources.register("azureQueueStorage")
class AzureQueueStorageSource:
    """Each message once. Poison is deleted with a line in the log, or with `dlq` left in the queue."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        storage_account_name: str = ""
        connection_string: fields.SecretRef | None = None
        queue_name: str = ""
        json_body: bool = False
        dlq: bool = False
        decode_message: bool = False
        wait_time_in_seconds: int | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.queue_name:
            raise BadSourceConfig("queueName is missing: write the name of the queue")
        if config.connection_string is None:
            if not config.storage_account_name:
                raise BadSourceConfig("write connectionString, or storageAccountName: where to go")
            azure_queue.Account.named(config.storage_account_name)
        if (config.wait_time_in_seconds or 0) < 0:
            raise BadSourceConfig("waitTimeInSeconds is the pause after an empty answer, from 1")
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder[azure_queue.Message](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        config, around = self._config, self._around
        async with rest.session() as session, Identity() as identity:
            name, account = config.queue_name, self._account()
            queue = azure_queue.Queue(session, account, name, around.clock, identity)
            while True:
                messages = await queue.receive(_HIDDEN_S)
                around.ready()
                if messages:
                    await self._handle(queue, messages, publish)
                else:
                    await around.clock.sleep(config.wait_time_in_seconds or _WAIT_S)

    def _account(self) -> azure_queue.Account:
        config, around = self._config, self._around
        if config.connection_string is None:
            return azure_queue.Account.named(config.storage_account_name)
        text = fields.secret(around.secrets, around.place, config.connection_string).decode()
        return azure_queue.Account.parse(text)

    async def _handle(
        self, queue: azure_queue.Queue, messages: list[azure_queue.Message], publish: Publish
    ) -> None:
        poison = await self._forward(publish, messages)
        for message in messages:
            if self._config.dlq and message in poison:
                continue
            if not await queue.delete(message):
                log.warning(
                    "queue_message_not_deleted", queue=self._config.queue_name, **_where(message)
                )

    def _event(self, message: azure_queue.Message) -> NewEvent:
        payload = {
            "body": streams.body(self._raw(message), self._config.json_body),
            "messageID": message.id,
            "insertionTime": message.inserted,
        }
        return streams.event(payload, self._config.metadata, dedup=message.id)

    def _raw(self, message: azure_queue.Message) -> bytes:
        """Raises Poison."""
        if not self._config.decode_message:
            return message.text.encode()
        try:
            return base64.b64decode(message.text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise streams.Poison(
                f"decodeMessage is true, but this is no base64: {error}", message.text.encode()
            ) from None


def _where(message: azure_queue.Message) -> dict[str, Any]:
    return {"message": message.id}
