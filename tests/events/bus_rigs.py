"""Each bus with its server, and what can be done to them: killed, cut off, left without answers, begun anew."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import nats
from aiokafka import AIOKafkaProducer

from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from bireme.storage.ports import Database
from events.buses.jetstream import JetStreamBus
from events.buses.kafka import KafkaBus
from events.buses.sqlite import SqliteBus
from events.ports import BusSurroundings
from tests.events.conftest import GivenSecrets
from tests.servers import process
from tests.servers.proxy import Proxy


class Rig(Protocol):
    """`bus` is the one in use; `anew` is another process's on the same server; `outage` lasts while it is entered."""

    bus: Any
    has_network: bool

    async def anew(self) -> Any: ...
    def outage(self) -> Any: ...
    def cut(self) -> None: ...
    def mute(self, is_mute: bool) -> None: ...
    async def put_foreign(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


class SqliteRig:
    """The log in a file. It has no server that could be lost; a process begun anew opens the file again."""

    has_network = False

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database
        self.bus: Any = SqliteBus(database, SystemClock())

    async def anew(self) -> Any:
        await self._database.close()
        self._database = await open_database(self._path)
        return SqliteBus(self._database, SystemClock())

    def outage(self) -> Any:
        raise AssertionError("a file has no server")

    def cut(self) -> None:
        raise AssertionError("a file has no network")

    def mute(self, is_mute: bool) -> None:
        raise AssertionError("a file has no network")

    async def put_foreign(self, data: bytes) -> None:
        raise AssertionError("nobody else writes to our file")

    async def close(self) -> None:
        await self._database.close()


class RemoteRig:
    """A bus behind a proxy."""

    has_network = True

    def __init__(self, server: process.Server, proxy: Proxy, make: Callable[[], Any]) -> None:
        self._server = server
        self._proxy = proxy
        self._make = make
        self._made: list[Any] = []
        self.bus: Any = self._another()

    def _another(self) -> Any:
        self._made.append(self._make())
        return self._made[-1]

    async def anew(self) -> Any:
        return self._another()

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """As a power cut: what the server had acknowledged is there when it is back."""
        await asyncio.to_thread(self._server.kill)
        yield
        await asyncio.to_thread(self._server.start)

    def cut(self) -> None:
        self._proxy.cut()

    def mute(self, is_mute: bool) -> None:
        """What is sent arrives, but no answer comes back."""
        self._proxy.switch("reply-lost" if is_mute else "through")

    async def put_foreign(self, data: bytes) -> None:
        """Something that is no event of ours, where our events are."""
        if isinstance(self.bus, JetStreamBus):
            client = await nats.connect(f"nats://127.0.0.1:{self._proxy.port}")
            await client.jetstream().publish(self.bus._subject, data)
            await client.close()
        else:
            producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{self._proxy.port}")
            await producer.start()
            await producer.send_and_wait(self.bus._topic, data, partition=0)
            await producer.stop()

    async def close(self) -> None:
        self._proxy.switch("through")
        for bus in self._made:
            await bus.close()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[SqliteRig]:
    path = folder / "bus.db"
    rig = SqliteRig(path, await open_database(path))
    try:
        yield rig
    finally:
        await rig.close()


@asynccontextmanager
async def remote(kind: str, server: process.Server, port: int) -> AsyncIterator[RemoteRig]:
    """`port` is where clients are sent to: the proxy's. A stream or topic of its own for every rig."""
    proxy = Proxy(server.port)
    proxy.port = port
    await proxy.up()
    around = BusSurroundings("default", uuid4().hex[:8], SystemClock(), RandomIds(), GivenSecrets())

    def make() -> Any:
        if kind == "kafka":
            return KafkaBus(KafkaBus.Config(url=f"127.0.0.1:{port}"), around)
        return JetStreamBus(JetStreamBus.Config(url=f"nats://127.0.0.1:{port}"), around)

    rig = RemoteRig(server, proxy, make)
    try:
        yield rig
    finally:
        await rig.close()
        await proxy.down()
