"""Fields that many event sources share, as Argo spells them, and how they are read."""

from typing import Any

import msgspec

from bireme.lang import goduration
from bireme.lang.errors import LangError
from events.ports import BadSourceConfig, Place, Secrets

DEFAULT_CAP_BYTES = 1_048_576


class Fields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Base of every source's Config and of the blocks in it."""


class SecretRef(Fields, frozen=True, kw_only=True):
    """A key of a secret."""

    name: str = ""
    key: str
    optional: bool = False


class Filter(Fields, frozen=True, kw_only=True):
    """`expression` is evaluated on the payload; what is not true is not accepted."""

    expression: str = ""


class Webhook(Fields, frozen=True, kw_only=True):
    """Where an HTTP source listens. `url` is the public address, used when hooks are registered with a service."""

    endpoint: str = ""
    method: str = ""
    port: str | int = ""
    url: str = ""
    server_cert_secret: SecretRef | None = None
    server_key_secret: SecretRef | None = None
    auth_secret: SecretRef | None = None
    metadata: dict[str, str] | None = None
    max_payload_size: int | None = None


def decode(kind: type[msgspec.Struct], config: Any, path: str) -> Any:
    """One event's config as its kind's Config. Raises BadSourceConfig naming the field."""
    try:
        return msgspec.convert(config, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSourceConfig(f"{path}: {_rooted(str(error), path)}") from error


def _rooted(message: str, path: str) -> str:
    """The decoder's complaint with our path where it says `$`."""
    return message.replace("`$", f"`{path}")


def seconds(text: str, field: str, default_s: float) -> float:
    """A length of time such as `90s` or `1h30m`; the default when nothing is written. Raises BadSourceConfig."""
    if not text:
        return default_s
    try:
        length = goduration.parse(text).total_seconds()
    except LangError as error:
        raise BadSourceConfig(f"{field}: {error}; expected a length such as 30s or 5m") from error
    if length <= 0:
        raise BadSourceConfig(f"{field}: {text!r} is no time at all; expected a length such as 30s")
    return length


def secret(secrets: Secrets, place: Place, ref: SecretRef) -> bytes:
    """The secret's value without one trailing newline, as mounted files have it. Read anew at each use."""
    return secrets.secret(place.namespace, ref.name, ref.key).removesuffix(b"\n")
