"""A fake nsqd and its lookup daemon, in this process, over real sockets. NSQ itself comes in no package we can start.

Faithful in the frames, the commands a consumer sends, RDY, heartbeats, what is kept before a topic has a channel, and
that a connection's unfinished messages go to the next; one topic, one channel, no timeouts of messages.
"""

import asyncio
import contextlib
import itertools
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator

from aiohttp import web

from tests.servers import process, webapi

_NUMBERS = itertools.count(1)
Entry = tuple[bytes, bytes, int]


class Nsqd:
    """`kept` waits for a consumer, `finished` are ids; `said` is every command line of every consumer."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.port = process.free_port()
        self.kept: deque[Entry] = deque()
        self.finished: list[bytes] = []
        self.said: list[str] = []
        self.refusal = b""
        self._context = context
        self._consumers: set[_Consumer] = set()

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def send(self, body: bytes) -> bytes:
        number = next(_NUMBERS)
        name = f"{number:016x}".encode()
        self.kept.append((name, body, 0))
        self._deliver()
        return name

    def give(self, entry: Entry) -> None:
        """The very same message once more."""
        self.kept.append(entry)
        self._deliver()

    def beat(self) -> None:
        for consumer in self._consumers:
            consumer.frame(0, b"_heartbeat_")

    def hang_up(self) -> None:
        for consumer in self._consumers:
            consumer.writer.close()

    @property
    def in_flight(self) -> int:
        return sum(len(one.in_flight) for one in self._consumers)

    def _deliver(self) -> None:
        for consumer in self._consumers:
            while self.kept and len(consumer.in_flight) < consumer.ready:
                consumer.message(*self.kept.popleft())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        consumer = _Consumer(reader, writer)
        self._consumers.add(consumer)
        try:
            assert await reader.readexactly(4) == b"  V2"
            while True:
                line = (await reader.readuntil(b"\n")).strip()
                self.said.append(line.decode())
                await self._obey(consumer, *line.split())
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._consumers.discard(consumer)
            self.kept.extend(consumer.in_flight.values())
            self._deliver()
            writer.close()

    async def _obey(self, consumer: "_Consumer", verb: bytes, *words: bytes) -> None:
        match verb:
            case b"IDENTIFY":
                await self._identify(consumer)
            case b"SUB" if self.refusal:
                consumer.frame(1, self.refusal)
            case b"SUB":
                consumer.frame(0, b"OK")
            case b"RDY":
                consumer.ready = int(words[0])
            case b"FIN" if consumer.in_flight.pop(words[0], None):
                self.finished.append(words[0])
            case b"FIN":
                consumer.frame(1, b"E_FIN_FAILED FIN failed: ID not in flight")
        self._deliver()

    async def _identify(self, consumer: "_Consumer") -> None:
        size = int.from_bytes(await consumer.reader.readexactly(4))
        wanted = json.loads(await consumer.reader.readexactly(size))
        with_tls = wanted["tls_v1"] and self._context is not None
        consumer.frame(0, json.dumps({"max_rdy_count": 2500, "tls_v1": with_tls}).encode())
        if with_tls:
            await consumer.writer.drain()
            await consumer.writer.start_tls(self._context)
            consumer.frame(0, b"OK")


class _Consumer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.ready = 0
        self.in_flight: dict[bytes, Entry] = {}

    def frame(self, kind: int, data: bytes) -> None:
        self.writer.write((len(data) + 4).to_bytes(4) + kind.to_bytes(4) + data)

    def message(self, name: bytes, body: bytes, attempts: int) -> None:
        self.in_flight[name] = (name, body, attempts + 1)
        stamp = (1527000000000000000 + int(name, 16)).to_bytes(8)
        self.frame(2, stamp + (attempts + 1).to_bytes(2) + name + body)


class Lookup(webapi.WebApi):
    """The lookup daemon: who has the topic."""

    def __init__(self, *nsqds: Nsqd) -> None:
        super().__init__()
        self.nsqds = nsqds

    async def reply(self, request: web.Request) -> web.StreamResponse:
        assert request.path == "/lookup"
        if not self.nsqds:
            return web.json_response({"message": "TOPIC_NOT_FOUND"}, status=404)
        producers = [{"broadcast_address": "localhost", "tcp_port": one.port} for one in self.nsqds]
        return web.json_response({"channels": [], "producers": producers})


@contextlib.asynccontextmanager
async def running(nsqd: Nsqd) -> AsyncIterator[Nsqd]:
    server = await asyncio.start_server(nsqd.serve, "127.0.0.1", nsqd.port)
    try:
        yield nsqd
    finally:
        server.close()
        nsqd.hang_up()
        await server.wait_closed()
