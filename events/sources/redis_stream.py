"""Event source `redisStream`: entries of Redis streams, by a consumer group.

    spec:
      redisStream:
        orders:
          hostAddress: redis:6379
          password: {name: redis, key: password}
          streams: [orders]
          consumerGroup: ship

Payload: `{"stream": …, "message_id": …, "values": {…}, "metadata": {…}}`; values are texts as they are stored.

The group begins at the end of a stream and makes one that is missing. An entry is acknowledged once its event is
durable, and is one event however often it is delivered.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from events import fields, redis, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

if TYPE_CHECKING:
    from redis.asyncio import Redis

_CONSUMER = "argo-events-worker"
_BLOCK_MS = 2000
_PATIENCE_S = 15.0


class Entry(NamedTuple):
    """One without `values` was deleted after it was delivered to us first."""

    stream: bytes
    id: bytes
    values: dict[bytes, bytes]


@sources.register("redisStream")
class RedisStreamSource:
    """Each entry once. What was delivered and not acknowledged before comes first after a restart."""

    class Config(redis.Server, frozen=True, kw_only=True):
        streams: tuple[str, ...] = ()
        max_msg_count_per_read: int = 0
        consumer_group: str = ""
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        redis.check(config)
        if not config.streams:
            raise BadSourceConfig("streams is missing: list what to read")
        self._config = config
        self._around = surroundings
        self._group = config.consumer_group or "argo-events-cg"
        self._most = config.max_msg_count_per_read or 10
        self._forward = streams.Forwarder[Entry](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        connected = redis.connected(
            self._config, self._around, "redisStream", patience_s=_PATIENCE_S
        )
        async with connected as client:
            for stream in self._config.streams:
                await self._join(client, stream)
            self._around.ready()
            await self._unfinished(client, publish)
            while True:
                await self._take(client, publish, await self._read(client, ">"))

    async def _join(self, client: "Redis", stream: str) -> None:
        from redis.exceptions import ResponseError

        try:
            await client.xgroup_create(stream, self._group, "$", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _unfinished(self, client: "Redis", publish: Publish) -> None:
        """What was delivered to us before and not acknowledged."""
        while entries := await self._read(client, "0"):
            await self._take(client, publish, entries)

    async def _read(self, client: "Redis", after: str) -> list[Entry]:
        answer: Any = await client.xreadgroup(
            self._group,
            _CONSUMER,
            dict.fromkeys(self._config.streams, after),
            count=self._most,
            block=_BLOCK_MS,
        )
        return [
            Entry(stream, id_, values) for stream, found in answer or () for id_, values in found
        ]

    async def _take(self, client: "Redis", publish: Publish, entries: list[Entry]) -> None:
        if not entries:
            return
        await self._forward(publish, [entry for entry in entries if entry.values])
        async with client.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xack(entry.stream, self._group, entry.id)
            await pipe.execute()

    def _event(self, entry: Entry) -> NewEvent:
        values = {_text(name): _text(value) for name, value in entry.values.items()}
        stream, id_ = _text(entry.stream), _text(entry.id)
        if (size := sum(map(len, entry.values.values()))) > streams.MOST_BYTES:
            raw = b"\n".join(name + b"=" + value for name, value in entry.values.items())
            raise streams.Poison(f"{size} bytes, at most {streams.MOST_BYTES} make an event", raw)
        payload = {"stream": stream, "message_id": id_, "values": values}
        return streams.event(payload, self._config.metadata, dedup=f"{stream}:{id_}")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _where(entry: Entry) -> dict[str, Any]:
    return {"stream": _text(entry.stream), "message_id": _text(entry.id)}
