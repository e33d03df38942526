"""A Redis server that keeps every write (append-only file, synced), so that its streams survive `kill`."""

import contextlib
import shutil
from collections.abc import Iterator

from tests.servers import process
from tests.servers.certificates import Pair


@contextlib.contextmanager
def running(*options: str, secure: Pair | None = None) -> Iterator[process.Server]:
    """A server at `127.0.0.1:<server.port>`, which speaks TLS with that pair."""
    program = shutil.which("redis-server")
    if program is None:
        process.missing("redis-server")
        raise AssertionError
    port = process.free_port()
    with process.scratch("redis") as folder:
        command = [
            program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "", *options,
        ]  # fmt: skip
        if secure:
            command += [
                "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no",
                "--tls-cert-file", str(secure.certificate), "--tls-key-file", str(secure.key),
                "--tls-ca-cert-file", str(secure.certificate),
            ]  # fmt: skip
        with process.running(process.Server(command, port, folder)) as found:
            yield found
