"""Event source `azureServiceBus`: messages of a queue, or of a topic's subscription, of Azure Service Bus.

    spec:
      azureServiceBus:
        orders:
          connectionString: {name: azure, key: connection}
          queueName: orders            # or topicName and subscriptionName
          jsonBody: true

Without `connectionString`, `fullyQualifiedNamespace: shop.servicebus.windows.net` is opened by the identity of this
machine.

Payload: `{"applicationProperties", "body", "contentType", "correlationID", "enqueuedTime", "messageID", "replyTo",
"sequenceNumber", "subject", "metadata"}`.

A message is completed after its event is durable, whatever `deferDelete` says, and is one event however often it is
delivered. One that can be no event goes to the dead letters. Needs the extra `azure`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from events import azure_identity, fields, streams
from events.azure_identity import Identity
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage
    from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver

log = structlog.get_logger(__name__)

_MOST = 100
_WAIT_S = 60.0
_FIRST_S = 0.1  # the first answer tells at once whether we may read here


@sources.register("azureServiceBus")
class AzureServiceBusSource:
    """Each message once."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        connection_string: fields.SecretRef | None = None
        fully_qualified_namespace: str = ""
        queue_name: str = ""
        topic_name: str = ""
        subscription_name: str = ""
        tls: Tls | None = None
        json_body: bool = False
        defer_delete: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check_access(config)
        subscription = (config.topic_name, config.subscription_name)
        if any(subscription) != all(subscription) or bool(config.queue_name) == any(subscription):
            raise BadSourceConfig(
                "write queueName, or topicName and subscriptionName: where the messages are"
            )
        if config.tls is not None and config.tls != Tls(enabled=config.tls.enabled):
            raise BadSourceConfig(
                "tls: the service shows certificates of public authorities; remove this field"
            )
        self._config = config
        self._around = surroundings
        self._name = config.queue_name or "/".join(subscription)
        self._forward = streams.Forwarder["ServiceBusReceivedMessage"](
            surroundings, self._event, _where
        )

    async def run(self, publish: Publish) -> None:
        async with self._connected() as receiver:
            wait_s = _FIRST_S
            while True:
                found = await receiver.receive_messages(_MOST, max_wait_time=wait_s)
                wait_s = _WAIT_S
                self._around.ready()
                poison = await self._forward(publish, found) if found else []
                for message in found:
                    await self._settle(receiver, message, message in poison)

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[ServiceBusReceiver]":
        try:
            from azure.servicebus import exceptions
        except ImportError as error:
            raise streams.missing("azure", "azureServiceBus") from error
        shown = "the key in connectionString" if self._config.connection_string else "our identity"
        try:
            async with (
                Identity() as identity,
                await self._client(identity) as client,
                self._receiver(client) as receiver,
            ):
                yield receiver
        except exceptions.ServiceBusAuthenticationError as error:
            raise streams.ServerAway(
                f"{self._name}: {shown} was refused: {error.inner_exception}"
            ) from error
        except (exceptions.ServiceBusError, OSError, ValueError) as error:
            raise streams.ServerAway(f"{self._name}: {error or type(error).__name__}") from error

    async def _client(self, identity: Identity) -> "ServiceBusClient":
        from azure.servicebus.aio import ServiceBusClient

        config, around = self._config, self._around
        if config.connection_string is None:
            credential = await identity.credential(azure_identity.SERVICE_BUS)
            return ServiceBusClient(config.fully_qualified_namespace, credential, retry_total=0)
        text = fields.secret(around.secrets, around.place, config.connection_string)
        try:
            return ServiceBusClient.from_connection_string(text.decode().strip(), retry_total=0)
        except ValueError as error:
            raise BadSourceConfig(
                "connectionString is none: expected Endpoint=sb://…;SharedAccessKeyName=…;"
                "SharedAccessKey=…"
            ) from error

    def _receiver(self, client: "ServiceBusClient") -> "ServiceBusReceiver":
        config = self._config
        if config.queue_name:
            return client.get_queue_receiver(config.queue_name)
        return client.get_subscription_receiver(config.topic_name, config.subscription_name)

    async def _settle(
        self, receiver: "ServiceBusReceiver", message: "ServiceBusReceivedMessage", is_poison: bool
    ) -> None:
        """A lock that is lost is no harm: the message comes again, and is recognised."""
        from azure.servicebus.exceptions import MessageAlreadySettled, MessageLockLostError

        try:
            if is_poison:
                await receiver.dead_letter_message(message, reason="it can be no event")
            else:
                await receiver.complete_message(message)
        except (MessageAlreadySettled, MessageLockLostError) as error:
            log.warning(
                "queue_message_not_deleted", queue=self._name, error=str(error), **_where(message)
            )

    def _event(self, message: "ServiceBusReceivedMessage") -> NewEvent:
        enqueued = _time(message.enqueued_time_utc)
        payload = {
            "applicationProperties": _plain(message.application_properties),
            "body": streams.body(_raw(message), self._config.json_body),
            "contentType": _plain(message.content_type),
            "correlationID": _plain(message.correlation_id),
            "enqueuedTime": enqueued,
            "messageID": _plain(message.message_id or ""),
            "replyTo": _plain(message.reply_to),
            "sequenceNumber": message.sequence_number,
            "subject": _plain(message.subject),
        }
        # The message's id is its sender's own and may stand on two things; its place in the queue does not.
        dedup = f"{message.sequence_number}@{enqueued}"
        return streams.event(payload, self._config.metadata, dedup=dedup)


def _check_access(config: AzureServiceBusSource.Config) -> None:
    if config.connection_string is not None:
        return
    if not config.fully_qualified_namespace:
        raise BadSourceConfig("write connectionString, or fullyQualifiedNamespace: where to go")
    if not azure_identity.is_namespace(config.fully_qualified_namespace):
        raise BadSourceConfig(
            f"fullyQualifiedNamespace is {config.fully_qualified_namespace!r}:"
            " such as shop.servicebus.windows.net"
        )


def _raw(message: "ServiceBusReceivedMessage") -> bytes:
    """Raises Poison for bodies that are values of AMQP itself, other than texts."""
    body: Any = message.body
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    try:
        return b"".join(body)
    except TypeError as error:
        raise streams.Poison(f"its body is no bytes and no text, but AMQP {type(body)}") from error


def _plain(found: Any) -> Any:
    """Properties as JSON has them: bytes are the protocol's texts."""
    if isinstance(found, Mapping):
        return {str(_plain(name)): _plain(value) for name, value in found.items()}
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    if isinstance(found, datetime):
        return _time(found)
    return found if isinstance(found, str | int | float | None) else str(found)


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _where(message: "ServiceBusReceivedMessage") -> dict[str, Any]:
    return {"message": message.message_id, "sequence": message.sequence_number}
