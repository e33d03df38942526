"""Event source `redis`: messages of Redis channels.

    spec:
      redis:
        orders:
          hostAddress: redis:6379
          password: {name: redis, key: password}
          channels: [orders, refunds]
          jsonBody: true

Payload: `{"channel": …, "pattern": "", "body": …, "metadata": {…}}`; without `jsonBody` the body is the text itself.

Redis keeps nothing of a channel: what is sent while nobody is connected is gone. `redisStream` loses nothing.
"""

from typing import Any

from events import fields, redis, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

_LOOK_S = 5.0
Message = dict[str, Any]


@sources.register("redis")
class RedisSource:
    """At most once, as the protocol has it; what has arrived waits while our store is away."""

    class Config(redis.Server, frozen=True, kw_only=True):
        channels: tuple[str, ...] = ()
        json_body: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        redis.check(config)
        if not config.channels:
            raise BadSourceConfig("channels is missing: list what to listen to")
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder[Message](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        config = self._config
        async with (
            redis.connected(config, self._around, "redis", patience_s=None) as client,
            client.pubsub() as listener,
        ):
            await listener.subscribe(*config.channels)
            confirmed = 0
            while confirmed < len(config.channels):
                confirmed += await listener.get_message(timeout=_LOOK_S) is not None
            self._around.ready()
            while True:
                messages = [await listener.get_message(timeout=_LOOK_S)]
                while len(messages) < streams.BATCH and messages[-1] is not None:
                    messages.append(await listener.get_message(timeout=0))
                sent = [one for one in messages if one and one["type"] == "message"]
                await self._forward(publish, sent)

    def _event(self, message: Message) -> NewEvent:
        raw = message["data"]
        streams.body(raw, json_body=False)
        text = raw.decode("utf-8", "replace")
        payload = {
            "channel": message["channel"].decode("utf-8", "replace"),
            "pattern": "",
            "body": streams.body(raw, json_body=True) if self._config.json_body else text,
        }
        return streams.event(payload, self._config.metadata)


def _where(message: Message) -> dict[str, Any]:
    return {"channel": message["channel"].decode("utf-8", "replace")}
