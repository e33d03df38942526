"""How NATS servers are reached: address, names, TLS. For whoever listens to one or sends to it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from events import fields, nats_login, streams, tls
from events.ports import Asker, BadSourceConfig
from events.tls import Tls

if TYPE_CHECKING:
    from nats.aio.client import Client

_CLOSE_S = 3

T = TypeVar("T")


class NatsAuth(fields.Fields, frozen=True, kw_only=True):
    """One of them; `credential` is a creds file."""

    basic: streams.Auth | None = None
    token: fields.SecretRef | None = None
    nkey: fields.SecretRef | None = None
    credential: fields.SecretRef | None = None


class Server(fields.Fields, frozen=True, kw_only=True):
    """Where the server is and as whom it is spoken to."""

    url: str = ""
    auth: NatsAuth | None = None
    tls: Tls | None = None


@asynccontextmanager
async def connected(
    config: Server, asker: Asker, lost: Callable[[Exception], None]
) -> "AsyncIterator[Client]":
    """A client that does not connect again by itself: `lost` is told why when the connection ends.

    Every fault of the server inside is a ServerAway.
    """
    try:
        from nats.aio.client import Client
        from nats.errors import Error
    except ImportError as error:
        raise streams.missing("nats", "nats") from error
    access, shown = _access(config, asker), _shown(config.url)
    faults, heard = _hearing(shown, lost)
    client = Client()
    try:
        await client.connect(
            config.url.split(","),
            name=f"bireme-{asker.place.name}",
            allow_reconnect=False,
            max_reconnect_attempts=1,  # else an absent server is waited for in silence, for two minutes
            connect_timeout=5,
            ping_interval=20,
            **heard,
            **access,
        )
        yield client
    except (Error, OSError, TimeoutError) as error:
        raise streams.ServerAway(f"{shown}: {_why(faults[-1] if faults else error)}") from error
    finally:
        with suppress(Error, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):  # one that never came to speak TLS waits for ever
                await client.close()


def _hearing(
    shown: str, lost: Callable[[Exception], None]
) -> tuple[list[Exception], dict[str, Any]]:
    """What the client complains of, and the callbacks by which it does."""
    faults: list[Exception] = []

    async def note(error: Exception) -> None:
        faults.append(error)

    async def gone() -> None:
        why = f": {faults[-1]}" if faults else ""
        lost(streams.ServerAway(f"{shown}: the connection is gone{why}"))

    return faults, {"error_cb": note, "closed_cb": gone, "disconnected_cb": gone}


def _shown(url: str) -> str:
    """Without the names, passwords and tokens that addresses may hold."""
    return re.sub(r"[^/,@]*@", "", url)


def _why(error: Exception) -> str:
    said = str(error).lower()  # the library has no type for it
    if any(word in said for word in ("authorization violation", "authentication", "user jwt")):
        return tls.turned_away("auth", error)
    return tls.told(error)


def _access(config: Server, asker: Asker) -> dict[str, Any]:
    """The client's options, secrets read anew at every connection. Raises BadSourceConfig, NotFound."""
    secrets, place, auth = asker.secrets, asker.place, config.auth
    context = tls.context(config.tls, secrets, place.namespace)
    options: dict[str, Any] = {"tls": context} if context else {}
    if auth is None:
        return options
    if auth.basic:
        options["user"] = streams.text(secrets, place, auth.basic.username)
        options["password"] = streams.text(secrets, place, auth.basic.password)
    if auth.token:
        options["token"] = streams.text(secrets, place, auth.token)
    if auth.nkey:
        found = streams.text(secrets, place, auth.nkey) or ""
        options["nkeys_seed_str"] = _believed(nats_login.seed, found, "auth.nkey")
    if auth.credential:
        found = streams.text(secrets, place, auth.credential) or ""
        options["user_credentials"] = _believed(nats_login.creds, found, "auth.credential")
    return options


def _believed(read: Callable[[str], T], found: str, field: str) -> T:
    try:
        return read(found)
    except nats_login.BadLogin as error:
        raise BadSourceConfig(f"{field}: {error}") from error
