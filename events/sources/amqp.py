"""Event source `amqp`: messages that an exchange of RabbitMQ (AMQP 0.9.1) routes to a queue of ours.

    spec:
      amqp:
        orders:
          urlSecret: {name: rabbit, key: url}   # or url: amqp://rabbit:5672/
          exchangeName: shop
          exchangeType: topic
          routingKey: orders.*
          queueDeclare: {name: ship-orders, durable: true}
          jsonBody: true

Payload: `{"contentType", "contentEncoding", "deliveryMode", "priority", "correlationId", "replyTo", "expiration",
"messageId", "timestamp", "type", "appId", "exchange", "routingKey", "body", "metadata"}`.

A message is acknowledged once its event is durable, whatever `autoAck` says. A durable queue keeps what comes while we
are away; the unnamed queue that is used without `queueDeclare` ends with the connection. A message with a `messageId`
is one event however often it is delivered. One that can be no event is rejected, to the queue's dead letter exchange.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from bireme.kit import ids
from events import amqp, fields, gotime, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

_NO_TIME = "0001-01-01 00:00:00 +0000 UTC"


class ExchangeDeclare(fields.Fields, frozen=True, kw_only=True):
    durable: bool = False
    auto_delete: bool = False
    internal: bool = False
    no_wait: bool = False


class QueueDeclare(fields.Fields, frozen=True, kw_only=True):
    """`arguments` is YAML text."""

    name: str = ""
    durable: bool = False
    auto_delete: bool = False
    exclusive: bool = False
    no_wait: bool = False
    arguments: str = ""


class QueueBind(fields.Fields, frozen=True, kw_only=True):
    no_wait: bool = False


class Consume(fields.Fields, frozen=True, kw_only=True):
    """`autoAck` is read and has no effect: a message is acknowledged once its event is durable."""

    consumer_tag: str = ""
    auto_ack: bool = False
    exclusive: bool = False
    no_local: bool = False
    no_wait: bool = False


@sources.register("amqp")
class AmqpSource:
    """Each message at least once; with a `messageId`, once."""

    class Config(amqp.Broker, frozen=True, kw_only=True):
        exchange_name: str = ""
        exchange_type: str = ""
        routing_key: str = ""
        exchange_declare: ExchangeDeclare = ExchangeDeclare(durable=True)
        queue_declare: QueueDeclare = QueueDeclare(exclusive=True)
        queue_bind: QueueBind = QueueBind()
        consume: Consume = Consume()
        json_body: bool = False
        connection_backoff: dict[str, Any] | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check(config)
        self._config = config
        self._around = surroundings
        self._arguments = _arguments(config.queue_declare.arguments)
        self._forward = streams.Forwarder["AbstractIncomingMessage"](
            surroundings, self._event, _where
        )

    async def run(self, publish: Publish) -> None:
        inbox = streams.Inbox["AbstractIncomingMessage"]()
        async with amqp.connected(self._config, self._around, inbox.close) as connection:
            channel = await connection.channel()
            channel.close_callbacks.add(lambda _, error: inbox.close(amqp.gone(error)))
            await channel.set_qos(prefetch_count=2 * streams.BATCH)
            await self._subscribe(channel, inbox)
            self._around.ready()
            while True:
                messages = await inbox.batch()
                for poison in await self._forward(publish, messages):
                    await poison.reject(requeue=False)
                kept = [message for message in messages if not message.processed]
                if kept:
                    await kept[-1].ack(multiple=True)  # all before it are durable or rejected

    async def _subscribe(
        self, channel: "AbstractChannel", inbox: "streams.Inbox[AbstractIncomingMessage]"
    ) -> None:
        config = self._config
        wanted, declared = config.exchange_declare, config.queue_declare
        exchange = await channel.declare_exchange(
            config.exchange_name,
            config.exchange_type,
            durable=wanted.durable,
            auto_delete=wanted.auto_delete,
            internal=wanted.internal,
        )
        queue = await channel.declare_queue(
            declared.name or None,
            durable=declared.durable,
            auto_delete=declared.auto_delete,
            exclusive=declared.exclusive,
            arguments=self._arguments,
        )
        await queue.bind(exchange, routing_key=config.routing_key)
        await queue.consume(
            inbox.put,
            exclusive=config.consume.exclusive,
            consumer_tag=config.consume.consumer_tag or None,
        )

    def _event(self, message: "AbstractIncomingMessage") -> NewEvent:
        given = message.properties
        payload: dict[str, Any] = {
            "contentType": given.content_type or "",
            "contentEncoding": given.content_encoding or "",
            "deliveryMode": int(given.delivery_mode or 0),
            "priority": int(given.priority or 0),
            "correlationId": given.correlation_id or "",
            "replyTo": given.reply_to or "",
            "expiration": given.expiration or "",
            "messageId": given.message_id or "",
            "timestamp": _go_time(given.timestamp),
            "type": given.message_type or "",
            "appId": given.app_id or "",
            "exchange": message.exchange or "",
            "routingKey": message.routing_key or "",
            "body": streams.body(message.body, self._config.json_body),
        }
        made = streams.event(payload, self._config.metadata)
        # The id is the sender's own and may stand on two things: only the whole message is its identity.
        dedup = ids.digest(given.message_id, made.data.decode()) if given.message_id else ""
        return msgspec.structs.replace(made, dedup=dedup)


def _check(config: AmqpSource.Config) -> None:
    if bool(config.url) == (config.url_secret is not None):
        raise BadSourceConfig("exactly one of url and urlSecret says where the broker is")
    if not config.exchange_type:
        raise BadSourceConfig("exchangeType is missing: direct, fanout, topic or headers")
    if not config.routing_key:
        raise BadSourceConfig("routingKey is missing: write which messages to have")
    if config.consume.no_local:
        raise BadSourceConfig("consume.noLocal is not supported by RabbitMQ: remove it")


def _arguments(text: str) -> dict[str, Any] | None:
    """The queue's arguments, written as YAML in a text."""
    if not text:
        return None
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadSourceConfig(f"queueDeclare.arguments is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise BadSourceConfig("queueDeclare.arguments: expected a map such as `x-max-length: 5`")
    return found


def _go_time(moment: datetime | None) -> str:
    if moment is None:
        return _NO_TIME
    return gotime.shown(moment.astimezone(UTC))


def _where(message: "AbstractIncomingMessage") -> dict[str, Any]:
    return {"exchange": message.exchange, "routing_key": message.routing_key}
