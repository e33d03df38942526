"""Event source `mqtt`: messages of a topic of an MQTT broker.

    spec:
      mqtt:
        sensors:
          url: tcp://mosquitto:1883     # ssl:// or mqtts:// with TLS
          topic: house/+/temperature
          clientId: bireme-house
          jsonBody: true

Payload: `{"topic": …, "messageId": …, "body": …, "metadata": {…}}`.

Subscribed with QoS 1 in a session the broker keeps for us: what is sent with QoS 1 or 2 while we are away waits there,
and is acknowledged once its event is durable. What is sent with QoS 0 is never kept by anybody.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from events import fields, mqtt, streams
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls

if TYPE_CHECKING:
    from aiomqtt import Message

_QOS = 1


@sources.register("mqtt")
class MqttSource:
    """At least once what senders want kept (QoS 1 and 2); the protocol names no message, so a repeat is an event."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        topic: str = ""
        client_id: str = ""
        json_body: bool = False
        auth: streams.Auth = streams.Auth()
        tls: Tls | None = None
        connection_backoff: dict[str, Any] | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.topic:
            raise BadSourceConfig("topic is missing: write what to listen to")
        mqtt.address(config.url)
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder["Message"](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        config, place = self._config, self._around.place
        ours = f"bireme-{place.namespace}-{place.name}-{place.subject}"
        async with mqtt.connected(
            config.url,
            self._around,
            "mqtt",
            client_id=config.client_id or ours,
            auth=config.auth,
            wanted=config.tls,
        ) as client:
            await client.subscribe(config.topic, qos=_QOS)
            self._around.ready()
            await mqtt.each_batch(client, partial(self._forward, publish))

    def _event(self, message: "Message") -> NewEvent:
        payload = {
            "topic": message.topic.value,
            "messageId": message.mid,
            "body": mqtt.body(message, self._config.json_body),
        }
        return streams.event(payload, self._config.metadata)


def _where(message: "Message") -> dict[str, Any]:
    return {"topic": message.topic.value, "message_id": message.mid}
