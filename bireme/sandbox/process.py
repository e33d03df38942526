"""One child process and the socket to it."""

import importlib.util
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bireme.kit.errors import MissingExtra, ServiceError
from bireme.lang.script import Overrun
from bireme.sandbox import frames
from bireme.sandbox.limits import Limits

_BOOT = "import sys; sys.path += sys.argv[1].split(chr(10)); from bireme.sandbox.child import main; main(sys.argv[2:])"
_LATE = "the program did not answer in time"
_OVER_TIME = (-signal.SIGPROF, -signal.SIGXCPU)


class SandboxUnavailable(ServiceError):
    """The child cannot be started, or was ended by somebody else."""


class Child:
    """A running child. Not safe for several threads. After whatever `ask` raises it is gone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _start(limits, theirs.fileno())
        self._socket = ours
        self._buffer = b""
        self.is_closed = False
        self.measures = self._greeting()
        ours.settimeout(limits.wall_s)

    def _greeting(self) -> list[str]:
        """The measures that confine the child, as it says itself once it is ready."""
        self._socket.settimeout(self._limits.start_s)
        self._until = time.monotonic() + self._limits.start_s
        try:
            return self._reply()[1].decode().split()
        except (Overrun, SandboxUnavailable) as error:
            self.close()
            raise SandboxUnavailable(f"the sandbox does not start: {error}") from error

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises Overrun, or SandboxUnavailable when somebody else ended the child."""
        self._until = time.monotonic() + self._limits.wall_s
        try:
            self._send(request)
            return self._reply()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Kill the child and wait for its end."""
        self.is_closed = True
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _reply(self) -> tuple[int, bytes]:
        status, size = frames.reply_head(self._read(frames.REPLY_SIZE))
        return status, self._read(size)

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self._receive()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _send(self, request: bytes) -> None:
        try:
            self._socket.sendall(request)
        except TimeoutError:
            raise Overrun(_LATE) from None
        except OSError as error:
            raise SandboxUnavailable("the sandbox is gone") from error

    def _receive(self) -> bytes:
        try:
            part = self._socket.recv(1 << 20)
        except TimeoutError:
            raise Overrun(_LATE) from None
        except OSError:
            part = b""
        if not part:
            raise self._end()
        if time.monotonic() > self._until:
            raise Overrun(_LATE)
        return part

    def _end(self) -> Overrun | SandboxUnavailable:
        """Why the child went away before it answered."""
        self._socket.close()
        try:
            code = self._process.wait(self._limits.wall_s)
        except subprocess.TimeoutExpired:
            return Overrun(_LATE)
        if code == -signal.SIGKILL:
            # Not by us. Whether the program is to blame shows when it is asked again.
            return SandboxUnavailable("the sandbox was killed from outside")
        if code in _OVER_TIME:
            return Overrun(f"the program ran longer than {self._limits.cpu_s:g} s")
        return Overrun("the program ran out of memory, or crashed what was running it")


def _start(limits: Limits, stdin: int) -> "subprocess.Popen[bytes]":
    numbers = (
        limits.memory_bytes, limits.lua_bytes, limits.output_bytes, limits.program_bytes,
        int(limits.cpu_s * 1e6), int(limits.life_s * 3) + 1,
    )  # fmt: skip
    command = [sys.executable, "-I", "-S", "-B", "-c", _BOOT, "\n".join(_paths())]
    try:
        return subprocess.Popen(
            [*command, *map(str, numbers)],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxUnavailable(f"the sandbox cannot be started: {error}") from error


def _paths() -> list[str]:
    """Where the child finds this package and the two libraries. Raises MissingExtra."""
    found = [str(Path(__file__).parents[2])]
    for name in ("jq", "lupa"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise MissingExtra("script", "a jq or Lua program")
        home = Path(spec.origin).parent
        found.append(str(home.parent if spec.submodule_search_locations else home))
    return list(dict.fromkeys(found))
