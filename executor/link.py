"""The engine's end of the socket to the runner: starts one when there is none, batches what is said, reconnects."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from bireme.kit.supervise import TaskScope

log = structlog.get_logger(__name__)

_START = (
    "import sys; sys.path.append(sys.argv.pop(1)); from executor.runner.main import main; main()"
)
_RETRY_S, _LONGEST_RETRY_S = 0.02, 2.0
_COMPLAIN_EVERY = 20


class Heard(msgspec.Struct):
    """One message of the runner."""

    op: str
    id: str = ""
    at: float = 0.0
    exit: dict[str, Any] | None = None
    kind: str = ""


class Link(asyncio.Protocol):
    """A connection that comes back by itself. `again()` gives what must be said on every new connection."""

    def __init__(
        self, root: Path, hear: Callable[[list[Heard]], None], again: Callable[[], list[Any]]
    ) -> None:
        self._root = root
        self._hear = hear
        self._again = again
        self._scope = TaskScope("runner-link")
        self._transport: asyncio.Transport | None = None
        self._connecting = False
        self._closed = False
        self._said: list[Any] = []
        self._rest = b""
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Heard)

    def say(self, message: Any) -> None:
        """Hand a message to the runner, together with what else is said in this turn of the event loop.

        Said while there is no connection, it is dropped: `again` brings it back on the next one.
        """
        if self._transport is None:
            self._connect()
            return
        if not self._said:
            asyncio.get_running_loop().call_soon(self._flush)
        self._said.append(message)

    async def close(self) -> None:
        """Hang up. The runner and its steps go on."""
        self._closed = True
        self._flush()
        if self._transport:
            self._transport.close()
        await self._scope.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._rest = b""
        self._said = list(self._again())
        self._flush()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._hear([self._decoder.decode(line) for line in lines])

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self._closed:
            log.warning("runner_lost", error=str(error or "it hung up"))
            self._connect()

    def _flush(self) -> None:
        if self._transport and self._said:
            lines = [self._encoder.encode(message) for message in self._said]
            self._transport.write(b"\n".join(lines) + b"\n")
        self._said = []

    def _connect(self) -> None:
        if not self._connecting and not self._closed:
            self._connecting = True
            self._scope.start("connect", self._connected())

    async def _connected(self) -> None:
        """Until there is a connection: connect, starting a runner if nobody answers. Steps wait, they are not lost."""
        attempt = 0
        try:
            while self._transport is None and not self._closed:
                if plug := _plug(self._root):
                    loop = asyncio.get_running_loop()
                    await loop.create_unix_connection(lambda: self, sock=plug)
                else:
                    await self._start_runner(attempt)
                attempt += 1
                await asyncio.sleep(min(_RETRY_S * (attempt - 1), _LONGEST_RETRY_S))
        finally:
            self._connecting = False

    async def _start_runner(self, attempt: int) -> None:
        if attempt and attempt % _COMPLAIN_EVERY == 0:
            log.error("runner_unavailable", attempts=attempt, see=str(self._root / "runner.log"))
        try:
            await asyncio.to_thread(start_runner, self._root)
        except OSError as error:
            log.error("runner_not_started", error=str(error))


def start_runner(root: Path) -> None:
    """Start a runner for the data directory and wait until it listens, or has found that another one serves."""
    house = str(Path(__file__).resolve().parent.parent)
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    output = os.open(root / "runner.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _START, house, str(root), str(writer)],
            {"PATH": os.defpath},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(writer)
        os.close(output)
    os.waitpid(pid, 0)
    os.read(reader, 1)
    os.close(reader)


def _plug(root: Path) -> socket.socket | None:
    """A connected socket, by way of the directory's descriptor: the path of a socket may be 107 bytes only."""
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    plug.setblocking(False)
    try:
        plug.connect(f"/proc/self/fd/{folder}/runner.sock")
    except OSError:
        plug.close()
        return None
    finally:
        os.close(folder)
    return plug
