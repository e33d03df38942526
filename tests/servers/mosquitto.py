"""A Mosquitto broker with persistent sessions."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from tests.servers import process


@contextlib.contextmanager
def running(*lines: str, anonymous: bool = True) -> Iterator[process.Server]:
    """A broker at `127.0.0.1:<server.port>`; `lines` are added to its configuration."""
    program = shutil.which("mosquitto") or (
        "/usr/sbin/mosquitto" if os.path.exists("/usr/sbin/mosquitto") else None
    )
    if program is None:
        process.missing("mosquitto")
        raise AssertionError
    port = process.free_port()
    with process.scratch("mosquitto") as folder:
        folder.chmod(0o777)  # as root the broker gives up its rights before it writes
        settings = [
            f"listener {port} 127.0.0.1", f"allow_anonymous {str(anonymous).lower()}",
            "persistence true",
            f"persistence_location {folder}/", "autosave_interval 1", *lines,
        ]  # fmt: skip
        (folder / "mosquitto.conf").write_text("\n".join(settings) + "\n")
        command = [program, "-c", str(folder / "mosquitto.conf")]
        with process.running(process.Server(command, port, folder)) as found:
            yield found
