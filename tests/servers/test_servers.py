"""The servers that other tests lean on start, speak and stop."""

import asyncio
import socket

import pytest

from tests.servers import kafka, mosquitto, moto, nats, proxy, rabbitmq, redis


@pytest.mark.parametrize(
    "kind", [kafka, mosquitto, moto, nats, rabbitmq, redis], ids=lambda k: k.__name__
)
def test_a_server_listens_while_it_runs_and_not_afterwards(kind: object) -> None:
    with kind.running() as server:  # type: ignore[attr-defined]
        socket.create_connection(("127.0.0.1", server.port), 2).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), 2)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_the_proxy_passes_holds_and_cuts() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, proxy.between(server.sockets[0].getsockname()[1]) as between:
        reader, writer = await asyncio.open_connection("127.0.0.1", between.port)
        writer.write(b"one")
        assert await reader.read(10) == b"one"
        between.switch("silent")
        writer.write(b"two")
        between.switch("through")
        assert await reader.read(10) == b"two"
        between.cut()
        with pytest.raises(ConnectionError):
            await reader.read(10)
        writer.close()
