"""Processes of a fleet on one PostgreSQL database, for tests and benchmarks: engines and sensor workers, and what they
are loaded by: a webhook, and sensors on it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.engine import Engine

SOURCE = """
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: load}
spec:
  webhook:
    hook: {endpoint: /hook, method: POST, port: "%d"}
"""
SENSOR = """
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: load-%(n)d}
spec:
  dependencies: [{name: hook, eventSourceName: load, eventName: hook}]
  triggers:
    - template: {name: note, log: {}}
"""


def engine(folder: Path, url: str, *options: str) -> Engine:
    """The engine of a fleet; a second one in the same folder is its standby."""
    return Engine(folder, "--database", url, "--role", "engine", *options)


class SensorWorker:
    """`bireme up --role sensor` as a process of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "worker.log"
        command = [sys.executable, "-m", "server", "up", "--role", "sensor", "--database", url]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--data-dir", str(folder / "data")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """kill -9, as a crash does it. Killing twice is killing once."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """A polite end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)
