"""How Kafka brokers are reached: addresses, TLS, names. For the source and the bus; the client itself is theirs."""

from typing import Any

from bireme.kit.errors import ServiceError
from events import fields, tls
from events.ports import BadSourceConfig, EventsError, Place, Secrets

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
