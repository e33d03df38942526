"""To the topic of an `mqtt` source, with QoS 1: the broker has it when `send` returns."""

from events import mqtt
from events.ports import Asker
from events.sources.mqtt import MqttSource
from server.senders.ports import concrete

Config = MqttSource.Config


async def send(asker: Asker, config: MqttSource.Config, to: str, body: bytes) -> str:
    """In a session of our own: the source's client id is taken."""
    topic = to or concrete(_unshared(config.topic), "/", one="+", rest="#")
    async with mqtt.connected(
        config.url, asker, "mqtt", client_id="", auth=config.auth, wanted=config.tls
    ) as client:
        await client.publish(topic, body, qos=1)
    return f"topic {topic}"


def _unshared(topic: str) -> str:
    """Without `$share/GROUP/`, which only subscribers write."""
    return topic.split("/", 2)[2] if topic.startswith("$share/") else topic
