"""How Redis servers are reached: address, names, TLS. For the two kinds that listen to one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from events import fields, streams, tls
from events.ports import BadSourceConfig, Surroundings
from events.tls import Tls

if TYPE_CHECKING:
    from redis.asyncio import Redis


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
    config: Server, around: Surroundings, kind: str, *, patience_s: float | None
) -> "AsyncIterator[Redis]":
    """A client that does not connect again by itself. Every fault of the server inside is a ServerAway.

    `patience_s` is how long an answer may take; None where silence is ordinary.
    """
    try:
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.connection import Connection
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
    except ImportError as error:
        raise streams.missing("redis", kind) from error
    context = tls.context(config.tls, around.secrets, around.place.namespace)

    class Secured(Connection):
        """The client's own TLS reads files; ours comes from secrets."""

        def _connection_arguments(self) -> Any:
            return {**super()._connection_arguments(), "ssl": context}

    host, _, port = config.host_address.rpartition(":")
    pool = ConnectionPool(
        connection_class=Secured if context else Connection,
        host=host,
        port=int(port),
        db=config.db,
        username=config.username or None,
        password=streams.text(around.secrets, around.place, config.password),
        socket_connect_timeout=10,
        socket_timeout=patience_s,
        socket_keepalive=True,
        health_check_interval=20,
        retry=Retry(NoBackoff(), 0),
        client_name=f"bireme-{around.place.name}",
    )
    client = Redis(connection_pool=pool)
    try:
        await client.ping()
        yield client
    except (RedisError, OSError) as error:
        raise streams.ServerAway(f"{config.host_address}: {tls.told(error)}") from error
    finally:
        await client.aclose()
        await pool.disconnect()
