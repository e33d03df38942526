"""A server program as a child of the test: started on a free port, waited for, stopped with all it started."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

_given: set[int] = set()


def free_port() -> int:
    """One that this process has not been given before: the system hands out the same again, now and then."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def missing(what: str) -> None:
    """No such server here: the test is skipped on a laptop and fails where CI=true promises it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI promises {what}, but it was not found")
    pytest.skip(f"no {what} on this machine")


class Server:
    """One running server program. `kill` and `start` again keep the folder and so what the server made durable."""

    def __init__(
        self, command: Sequence[str], port: int, folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.command = list(command)
        self.port = port
        self.folder = folder
        self.env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, patience_s: float = 60) -> None:
        """Returns once the port takes connections. Raises RuntimeError with the server's own last words."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdout=log, stderr=log, start_new_session=True, env=self.env
            )
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            time.sleep(0.01)  # a real server's start is waited for, not time itself
        words = (self.folder / "server.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.command[0]} does not listen on port {self.port}: {words}")

    def kill(self) -> None:
        """As a power cut."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder of the server's own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"bireme-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
