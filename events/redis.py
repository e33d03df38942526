"""How Redis servers are reached: address, names, TLS. For the two kinds that listen to one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from events import fields, streams, tls
from events.ports import Asker, BadSourceConfig
from events.tls import Tls

if TYPE_CHECKING:
    import ssl

    from redis.asyncio import ConnectionPool, Redis
    from redis.asyncio.connection import Connection


class Server(fields.Fields, frozen=True, kw_only=True):
    """Fields of both kinds. `namespace` is read and has no effect: secrets are those of the manifest's namespace."""

    host_address: str = ""
    username: str = ""
    password: fields.SecretRef | None = None
    namespace: str = ""
    db: int = 0
    tls: Tls | None = None


def check(config: Server) -> None:
    """Raises BadSourceConfig for what cannot work."""
    host, _, port = config.host_address.rpartition(":")
    if not host or not port.isdigit():
        raise BadSourceConfig(f"hostAddress is '{config.host_address}': expected host:port")


@asynccontextmanager
async def connected(
    config: Server, asker: Asker, kind: str, *, patience_s: float | None
) -> "AsyncIterator[Redis]":
    """A client that does not connect again by itself. Every fault of the server inside is a ServerAway.

    `patience_s` is how long an answer may take; None where silence is ordinary.
    """
    try:
        from redis.asyncio import Redis
        from redis.exceptions import AuthenticationError, RedisError
    except ImportError as error:
        raise streams.missing("redis", kind) from error
    pool = _pool(config, asker, patience_s)
    client = Redis(connection_pool=pool)
    try:
        await client.ping()
        yield client
    except (RedisError, OSError) as error:
        is_refused = isinstance(error, AuthenticationError)
        why = tls.turned_away("password", error) if is_refused else tls.told(error)
        raise streams.ServerAway(f"{config.host_address}: {why}") from error
    finally:
        await client.aclose()
        await pool.disconnect()


def _pool(config: Server, asker: Asker, patience_s: float | None) -> "ConnectionPool":
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    host, _, port = config.host_address.rpartition(":")
    return ConnectionPool(
        connection_class=_connection(tls.context(config.tls, asker.secrets, asker.place.namespace)),
        host=host,
        port=int(port),
        db=config.db,
        username=config.username or None,
        password=streams.text(asker.secrets, asker.place, config.password),
        socket_connect_timeout=10,
        socket_timeout=patience_s,
        socket_keepalive=True,
        health_check_interval=20,
        retry=Retry(NoBackoff(), 0),
        client_name=f"bireme-{asker.place.name}",
    )


def _connection(context: "ssl.SSLContext | None") -> "type[Connection]":
    """The client's own TLS reads files; ours comes from secrets."""
    from redis.asyncio.connection import Connection

    class Secured(Connection):
        def _connection_arguments(self) -> Any:
            return {**super()._connection_arguments(), "ssl": context}

    return Secured if context else Connection
