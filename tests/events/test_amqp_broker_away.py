"""A broker of AMQP that is away: no connection is left that would be closed when nobody can wait for it."""

import gc
from types import SimpleNamespace

import pytest

from events import amqp
from events.ports import Place
from events.streams import ServerAway
from tests.events.conftest import GivenSecrets
from tests.servers import process


async def test_a_connection_that_never_came_about_is_closed_all_the_same() -> None:
    """The library closes what is forgotten open, in whatever loop there is by then, or in none."""
    aio_pika = pytest.importorskip("aio_pika")
    place = Place("default", "shop", "amqp", "orders")
    asker = SimpleNamespace(place=place, secrets=GivenSecrets())
    config = amqp.Broker(url=f"amqp://127.0.0.1:{process.free_port()}/")
    with pytest.raises(ServerAway) as told:  # which holds on to what it is about
        async with amqp.connected(config, asker, lambda error: None):
            """Not reached."""
    made = [one for one in gc.get_objects() if isinstance(one, aio_pika.Connection)]
    assert made
    assert all(one.is_closed for one in made)
    assert str(config.url.split("/")[2]) in str(told.value)
