"""A TCP proxy that misbehaves on demand: slow, silent, cut in the middle, refusing."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Literal

Mode = Literal["through", "silent", "reply-lost", "reset"]


class Proxy:
    """Between a client and `127.0.0.1:<upstream>`. `mode` holds for bytes on their way as well as for new connections.

    `silent` holds everything back, `reply-lost` only what comes from upstream; `cut_after` closes a connection after
    that many bytes in either direction. `cut_at` closes everything, once, when a client sends these bytes: with
    `is_handed_on` not before upstream has answered them, and the answer is lost.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.mode: Mode = "through"
        self.cut_after: int | None = None
        self.cut_at: bytes | None = None
        self.is_handed_on = True
        self.connections = 0
        self._loses_answer = False
        self._open: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def up(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections and reset those there are."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def switch(self, mode: Mode) -> None:
        self.mode = mode
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in tuple(self._open):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.mode == "reset":
            _reset(writer)
            return
        try:
            behind = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            _reset(writer)
            return
        ends = {writer, behind[1]}
        self._open |= ends
        budget = [self.cut_after]
        try:
            await asyncio.gather(
                self._pump(reader, behind[1], budget, "silent"),
                self._pump(behind[0], writer, budget, "silent", "reply-lost"),
            )
        finally:
            self._open -= ends
            for end in ends:
                end.close()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        budget: list[int | None],
        *held: Mode,
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(65536):
                while self.mode in held:
                    await self._changed.wait()
                if budget[0] is not None:
                    data = data[: budget[0]]
                    budget[0] -= len(data)
                if self._is_to_cut(data, is_answer=len(held) > 1):
                    self.cut()
                    return
                sink.write(data)
                await sink.drain()
                if budget[0] == 0:
                    self.cut()
                    return
            sink.write_eof()

    def _is_to_cut(self, data: bytes, *, is_answer: bool) -> bool:
        if is_answer:
            loses, self._loses_answer = self._loses_answer, False
            return loses
        if self.cut_at is None or self.cut_at not in data:
            return False
        self.cut_at, self._loses_answer = None, self.is_handed_on
        return not self.is_handed_on


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def between(upstream: int) -> AsyncIterator[Proxy]:
    """A proxy that takes connections at `127.0.0.1:<proxy.port>`."""
    proxy = Proxy(upstream)
    await proxy.up()
    try:
        yield proxy
    finally:
        await proxy.down()
