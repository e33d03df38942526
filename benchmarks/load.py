"""A closed-loop HTTP load on keep-alive connections, cheap enough not to be the bottleneck itself."""

import asyncio
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Load:
    """What a load run saw: answers of 2xx, seconds of wall time and of the server's own CPU."""

    accepted: int
    wall_s: float
    cpu_s: float

    @property
    def per_cpu_second(self) -> float:
        return self.accepted / self.cpu_s if self.cpu_s else 0.0


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, until: float) -> None:
        self.request, self.until = request, until
        self.accepted = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _content_length(head):
            return
        self._buffer = b""
        self.accepted += head[9:10] == b"2"
        if time.perf_counter() < self.until:
            self.transport.write(self.request)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def run(
    port: int, path: str, body: bytes, *, pid: int, seconds: float = 4.0, connections: int = 32
) -> Load:
    """Load the server with process id `pid` for that long and account its CPU."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    server = psutil.Process(pid)
    before, begun = server.cpu_times(), time.perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Connection(request, begun + seconds), "127.0.0.1", port
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    after = server.cpu_times()
    cpu = (after.user - before.user) + (after.system - before.system)
    accepted = sum(client.accepted for client in clients)
    return Load(accepted=accepted, wall_s=time.perf_counter() - begun, cpu_s=cpu)
