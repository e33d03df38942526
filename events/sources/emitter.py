"""Event source `emitter`: messages of a channel of an Emitter broker, which speaks MQTT.

    spec:
      emitter:
        rooms:
          broker: tcp://emitter:8080
          channelKey: A-KEY-OF-THE-CHANNEL
          channelName: house/hall
          jsonBody: true

Payload: `{"topic": …, "body": …, "metadata": {…}}`; the topic never shows the channel's key.

Emitter keeps nothing for who is away: what is sent then is gone.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from events import fields, mqtt, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls

if TYPE_CHECKING:
    from aiomqtt import Message


@sources.register("emitter")
class EmitterSource:
    """At most once, as the service has it; what has arrived waits while our store is away."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        broker: str = ""
        channel_key: str = ""
        channel_name: str = ""
        username: fields.SecretRef | None = None
        password: fields.SecretRef | None = None
        json_body: bool = False
        tls: Tls | None = None
        connection_backoff: dict[str, Any] | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        for field, value in (
            ("channelName", config.channel_name),
            ("channelKey", config.channel_key),
        ):
            if not value:
                raise BadSourceConfig(f"{field} is missing")
        mqtt.address(config.broker)
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder["Message"](surroundings, self._event, self._where)

    async def run(self, publish: Publish) -> None:
        config = self._config
        async with mqtt.connected(
            config.broker,
            self._around,
            "emitter",
            client_id="",
            auth=streams.Auth(username=config.username, password=config.password),
            wanted=config.tls,
        ) as client:
            await client.subscribe(f"{config.channel_key}/{config.channel_name.strip('/')}/", qos=0)
            self._around.ready()
            await mqtt.each_batch(client, partial(self._forward, publish))

    def _event(self, message: "Message") -> NewEvent:
        payload = {
            "topic": self._topic(message),
            "body": mqtt.body(message, self._config.json_body),
        }
        return streams.event(payload, self._config.metadata)

    def _topic(self, message: "Message") -> str:
        return message.topic.value.removeprefix(f"{self._config.channel_key}/")

    def _where(self, message: "Message") -> dict[str, Any]:
        return {"topic": self._topic(message)}
