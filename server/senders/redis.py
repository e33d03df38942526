"""To the first channel of a `redis` source."""

from events import redis
from events.ports import Asker
from events.sources.redis import RedisSource
from server.senders.ports import NobodyThere

Config = RedisSource.Config
_PATIENCE_S = 10.0


async def send(asker: Asker, config: RedisSource.Config, to: str, body: bytes) -> str:
    """Redis keeps nothing of a channel: raises NobodyThere when nobody listened."""
    channel = to or config.channels[0]
    async with redis.connected(config, asker, "redis", patience_s=_PATIENCE_S) as client:
        if not await client.publish(channel, body):
            raise NobodyThere(
                f"nobody listens to channel {channel} at {config.host_address}, and the message is gone:"
                " 'bireme events sources' shows what the source waits for"
            )
    return f"channel {channel}"
