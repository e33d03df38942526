"""To the first stream of a `redisStream` source: fields of an object are the entry's, anything else its `body`."""

import json
from typing import Any

from events import redis
from events.ports import Asker
from events.sources.redis_stream import RedisStreamSource

Config = RedisStreamSource.Config
_PATIENCE_S = 10.0


async def send(asker: Asker, config: RedisStreamSource.Config, to: str, body: bytes) -> str:
    """An entry lies in the stream whether anybody reads it or not."""
    stream = to or config.streams[0]
    async with redis.connected(config, asker, "redisStream", patience_s=_PATIENCE_S) as client:
        entry: Any = await client.xadd(stream, _values(body))
    return f"stream {stream}, entry {entry.decode()}"


def _values(body: bytes) -> Any:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        return {"body": body}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
    }
