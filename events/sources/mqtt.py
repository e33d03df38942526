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

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from events import fields, streams, tls
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls

if TYPE_CHECKING:
    from aiomqtt import Client, Message

_SECURE = frozenset({"ssl", "tls", "mqtts"})
_PLAIN = frozenset({"tcp", "mqtt"})
_QOS = 1


@sources.register("mqtt")
class MqttSource:
    """At least once what senders want kept (QoS 1 and 2); the protocol names no message, so a repeat is an event."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        topic: str = ""
        client_id: str = ""
        json_body: bool = False
        auth: streams.Auth | None = None
        tls: Tls | None = None
        connection_backoff: dict[str, Any] | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if not config.topic:
            raise BadSourceConfig("topic is missing: write what to listen to")
        self._host, self._port, self._is_secure = _address(config.url)
        self._config = config
        self._around = surroundings
        self._forward = streams.Forwarder["Message"](surroundings, self._event, _where)

    async def run(self, publish: Publish) -> None:
        async with self._connected() as client:
            await client.subscribe(self._config.topic, qos=_QOS)
            self._around.ready()
            async for first in client.messages:
                messages = [first]
                while len(client.messages) and len(messages) < streams.BATCH:
                    messages.append(await anext(client.messages))
                await self._forward(publish, messages)
                for message in messages:
                    client._client.ack(message.mid, message.qos)

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[Client]":
        try:
            from aiomqtt import Client, MqttError
        except ImportError as error:
            raise streams.missing("mqtt", "mqtt") from error
        place, auth = self._around.place, self._config.auth or streams.Auth()
        secrets = self._around.secrets
        context = tls.context(self._config.tls, secrets, place.namespace)
        if context is None and self._is_secure:
            context = tls.context(Tls(enabled=True), secrets, place.namespace)
        client = Client(
            self._host,
            self._port,
            identifier=self._config.client_id
            or f"bireme-{place.namespace}-{place.name}-{place.subject}",
            clean_session=False,
            username=streams.text(secrets, place, auth.username),
            password=streams.text(secrets, place, auth.password),
            tls_context=context,
            keepalive=20,
            timeout=10,
        )
        # The library acknowledges on arrival unless the client inside it is told that we do it ourselves.
        client._client.manual_ack_set(True)
        try:
            async with client:
                yield client
        except (MqttError, OSError) as error:
            raise streams.ServerAway(f"{self._config.url}: {error}") from error

    def _event(self, message: "Message") -> NewEvent:
        raw = message.payload if isinstance(message.payload, bytes) else b""
        payload = {
            "topic": message.topic.value,
            "messageId": message.mid,
            "body": streams.body(raw, self._config.json_body),
        }
        return streams.event(payload, self._config.metadata)


def _address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken. Raises BadSourceConfig."""
    parts = urlsplit(url if "://" in url else f"tcp://{url}")
    if parts.scheme not in _SECURE | _PLAIN or not parts.hostname:
        raise BadSourceConfig(f"url is '{url}': expected an address such as tcp://broker:1883")
    is_secure = parts.scheme in _SECURE
    return parts.hostname, parts.port or (8883 if is_secure else 1883), is_secure


def _where(message: "Message") -> dict[str, Any]:
    return {"topic": message.topic.value, "message_id": message.mid}
