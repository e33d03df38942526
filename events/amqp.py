"""How AMQP brokers are reached: address, names, TLS. For whoever listens to one or sends to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from events import fields, streams, tls
from events.ports import Asker
from events.tls import Tls

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection


class Broker(fields.Fields, frozen=True, kw_only=True):
    """Where the broker is and as whom it is spoken to."""

    url: str = ""
    url_secret: fields.SecretRef | None = None
    auth: streams.Auth | None = None
    tls: Tls | None = None


@asynccontextmanager
async def connected(
    config: Broker, asker: Asker, lost: Callable[[Exception], None]
) -> "AsyncIterator[AbstractConnection]":
    """A connection that is not made again by itself: `lost` is told why when it ends.

    Every fault of the broker inside is a ServerAway.
    """
    try:
        import aio_pika
        from aio_pika.exceptions import (
            AMQPException,
            AuthenticationError,
            ProbableAuthenticationError,
        )
    except ImportError as error:
        raise streams.missing("amqp", "amqp") from error
    faults = (AMQPException, OSError, TimeoutError, ConnectionError)
    url, secure = _url(config, asker), tls.context(config.tls, asker.secrets, asker.place.namespace)
    connection = aio_pika.Connection(url, ssl_context=secure)
    try:
        await connection.connect(timeout=10)
        connection.close_callbacks.add(lambda _, error: lost(gone(error)))
        yield connection
    except (AuthenticationError, ProbableAuthenticationError) as error:
        why = tls.turned_away("auth (or the url)", error)
        raise streams.ServerAway(f"the broker {_shown(url)}: {why}") from error
    except faults as error:
        raise streams.ServerAway(f"the broker {_shown(url)}: {tls.told(error)}") from error
    finally:  # also one that never came about: else it closes itself once it is forgotten, in no loop
        with suppress(*faults):
            await connection.close()


def gone(error: BaseException | None) -> streams.ServerAway:
    """What a closed connection or channel says."""
    return streams.ServerAway(f"the broker hung up: {error or 'no reason given'}")


def _url(config: Broker, asker: Asker) -> Any:
    from yarl import URL

    secrets, place, auth = asker.secrets, asker.place, config.auth
    url = URL(streams.text(secrets, place, config.url_secret) or config.url)
    if auth is None:
        return url
    name, password = (streams.text(secrets, place, one) for one in (auth.username, auth.password))
    return url.with_user(name).with_password(password)


def _shown(url: Any) -> str:
    """Without names; with the port that the client chooses where the address has none."""
    return f"{url.host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"
