"""How Kafka brokers are reached: addresses, TLS, names. For the source and the bus; the client itself is theirs."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from bireme.kit.errors import ServiceError
from events import fields, tls
from events.ports import BadSourceConfig, EventsError, Place, Secrets

_ANSWER_S = 10.0
_HANG_UP_S = 5.0
_KNOCK_MS = 5_000
_PORT = 9092
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaAway(EventsError, ServiceError):
    """The brokers do not answer, or refuse us; they may be back later."""


class Sasl(fields.Fields, frozen=True, kw_only=True):
    """Name and password by reference."""

    mechanism: str = "PLAIN"
    user_secret: fields.SecretRef | None = None
    password_secret: fields.SecretRef | None = None


def addresses(url: str) -> list[str]:
    """The brokers of `host:port,host:port`."""
    return [one.strip() for one in url.split(",")]


def check(sasl: Sasl | None) -> None:
    """Raises BadSourceConfig for what cannot work."""
    if sasl is None:
        return
    if sasl.mechanism and sasl.mechanism not in _MECHANISMS:
        raise BadSourceConfig(
            f"sasl.mechanism is '{sasl.mechanism}'; known here: {', '.join(_MECHANISMS)}"
        )
    if sasl.user_secret is None or sasl.password_secret is None:
        raise BadSourceConfig("sasl needs userSecret and passwordSecret")


def _is_news(record: logging.LogRecord) -> bool:
    """That a broker is away is said once, by us, with the source it concerns; the client says it at each try."""
    return not str(record.msg).startswith("Unable connect to")


logging.getLogger("aiokafka").addFilter(_is_news)


def access(
    transport: tls.Tls | None, sasl: Sasl | None, secrets: Secrets, place: Place
) -> dict[str, Any]:
    """The client's options, secrets read anew at every connection. Raises BadSourceConfig, NotFound."""
    context = tls.context(transport, secrets, place.namespace)
    options: dict[str, Any] = {"ssl_context": context} if context else {}
    options["security_protocol"] = ("SASL_" if sasl else "") + ("SSL" if context else "PLAINTEXT")
    if sasl and sasl.user_secret and sasl.password_secret:
        user = fields.secret(secrets, place, sasl.user_secret)
        password = fields.secret(secrets, place, sasl.password_secret)
        options |= {
            "sasl_mechanism": sasl.mechanism or "PLAIN",
            "sasl_plain_username": user.decode(),
            "sasl_plain_password": password.decode(),
        }
    return options


def address(broker: str) -> tuple[str, int]:
    """Host and port, the client's own where none is written. Raises ValueError."""
    parts = urlsplit(f"//{broker}")
    return parts.hostname or "", parts.port or _PORT


async def knock(broker: str, access: dict[str, Any]) -> None:
    """Connect and hang up. Raises what stands in the way, which the library keeps to itself."""
    from aiokafka.conn import create_conn

    (await create_conn(*address(broker), request_timeout_ms=_KNOCK_MS, **access)).close()


async def why(error: Exception, broker: str, access: dict[str, Any]) -> str:
    """Why no connection came about, in words."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    if not isinstance(error, KafkaConnectionError):
        return tls.told(error)
    if access["security_protocol"] == "PLAINTEXT":
        return "no broker answers"
    try:
        await knock(broker, access)
    except (KafkaError, OSError, TimeoutError, ValueError) as reason:
        return tls.told(reason)
    return tls.told(error)


async def ask(reader: Any, partitions: Collection[Any]) -> None:
    """Silence may mean that nothing was sent, or that nobody is there. Raises KafkaAway.

    The library may swallow a cancellation; so it is not waited for until it has taken notice.
    """
    if not partitions:
        return
    asking = asyncio.ensure_future(reader.end_offsets(partitions))
    try:
        done, _ = await asyncio.wait([asking], timeout=_ANSWER_S)
    finally:
        asking.cancel()
    if not done:
        raise KafkaAway(f"the brokers have not answered for {_ANSWER_S:.0f} s")
    asking.result()


async def hang_up(reader: Any) -> None:
    """Stop a consumer. What the library leaves behind when its broker is away is not our cancellation: it cancels tasks
    of its own, waits for them and passes that on, which would end whoever reads without a word."""
    from aiokafka.errors import KafkaError

    try:
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_HANG_UP_S):
                await reader.stop()
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
    finally:
        await reader._client.close()  # when `stop` did not come that far
