"""To the exchange of an `amqp` source, confirmed by the broker once a queue has it."""

import logging

from events import amqp
from events.ports import Asker
from events.sources.amqp import AmqpSource
from server.senders.ports import NobodyThere, concrete

Config = AmqpSource.Config


async def send(asker: Asker, config: AmqpSource.Config, to: str, body: bytes) -> str:
    """Raises NobodyThere when no queue is bound to the routing key."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what fails is said once, by us
    key = to or _key(config)
    place = f"exchange {config.exchange_name or '(default)'}, routing key {key}"
    async with amqp.connected(config, asker, lambda _: None) as connection:
        from aio_pika import DeliveryMode, Message
        from aio_pika.exceptions import PublishError

        channel = await connection.channel()
        exchange = channel.default_exchange
        if config.exchange_name:
            exchange = await channel.get_exchange(config.exchange_name)
        try:
            message = Message(body, delivery_mode=DeliveryMode.PERSISTENT)
            await exchange.publish(message, key, mandatory=True)
        except PublishError as error:
            raise NobodyThere(
                f"{place}: no queue takes it, and the message is gone:"
                " 'bireme events sources' shows what the source waits for"
            ) from error
    return place


def _key(config: AmqpSource.Config) -> str:
    """Only topic exchanges know wildcards."""
    if config.exchange_type != "topic":
        return config.routing_key
    return concrete(config.routing_key, ".", one="*", rest="#")
