"""To the subject of a `nats` source; with `jetstream`, once the stream has it."""

from events import nats
from events.ports import Asker
from events.sources.nats import NatsSource
from events.streams import ServerAway
from server.senders.ports import concrete

Config = NatsSource.Config


async def send(asker: Asker, config: NatsSource.Config, to: str, body: bytes) -> str:
    """Raises ServerAway, also when we may not publish there."""
    subject = to or concrete(config.subject, ".", one="*", rest=">")
    async with nats.connected(config, asker, lambda _: None) as client:
        if config.jetstream is not None:
            kept = await client.jetstream().publish(subject, body)
            return f"{subject}: stream {kept.stream}, message {kept.seq}"
        await client.publish(subject, body)
        await client.flush()
        if client.last_error is not None:
            raise ServerAway(f"{config.url}: {client.last_error}")
    return f"subject {subject}"
