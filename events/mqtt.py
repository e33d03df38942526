"""How MQTT brokers are reached, with acknowledgements in our hand. For the two kinds that speak it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from events import streams, tls
from events.ports import Asker, BadSourceConfig
from events.tls import Tls

if TYPE_CHECKING:
    from aiomqtt import Client, Message

_SECURE = frozenset({"ssl", "tls", "mqtts"})
_PLAIN = frozenset({"tcp", "mqtt"})


def address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is spoken. Raises BadSourceConfig."""
    try:
        parts = urlsplit(url if "://" in url else f"tcp://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadSourceConfig(f"'{url}' is no address of a broker: {error}") from error
    if parts.scheme not in _SECURE | _PLAIN or not host:
        raise BadSourceConfig(f"'{url}' is no address of a broker such as tcp://broker:1883")
    is_secure = parts.scheme in _SECURE
    return host, port or (8883 if is_secure else 1883), is_secure


@asynccontextmanager
async def connected(
    url: str,
    asker: Asker,
    kind: str,
    *,
    client_id: str,
    auth: streams.Auth,
    wanted: Tls | None,
) -> "AsyncIterator[Client]":
    """A client whose session the broker keeps by `client_id`, a clean one without. Faults inside are ServerAway."""
    try:
        from aiomqtt import Client, MqttError
    except ImportError as error:
        raise streams.missing("mqtt", kind) from error
    host, port, is_secure = address(url)
    place, secrets = asker.place, asker.secrets
    wanted = wanted or (Tls(enabled=True) if is_secure else None)
    client = Client(
        host,
        port,
        identifier=client_id or None,
        clean_session=not client_id,
        username=streams.text(secrets, place, auth.username),
        password=streams.text(secrets, place, auth.password),
        tls_context=tls.context(wanted, secrets, place.namespace),
        keepalive=20,
        timeout=10,
    )
    # The library acknowledges on arrival unless the client inside it is told that we do it ourselves.
    client._client.manual_ack_set(True)
    try:
        async with client:
            yield client
    except (MqttError, OSError) as error:
        said = str(error).lower()  # brokers and versions of the protocol have several codes for it
        is_refused = "not authori" in said or "user name or password" in said
        why = tls.turned_away("auth", error) if is_refused else tls.told(error)
        raise streams.ServerAway(f"{url}: {why}") from error


async def each_batch(
    client: "Client", forward: "Callable[[list[Message]], Awaitable[object]]"
) -> None:
    """Forward what comes, for as long as the connection holds; acknowledged once `forward` returned."""
    async for first in client.messages:
        messages = [first]
        while len(client.messages) and len(messages) < streams.BATCH:
            messages.append(await anext(client.messages))
        await forward(messages)
        for message in messages:
            client._client.ack(message.mid, message.qos)


def body(message: "Message", json_body: bool) -> object:
    """Raises streams.Poison."""
    raw = message.payload if isinstance(message.payload, bytes) else b""
    return streams.body(raw, json_body)
