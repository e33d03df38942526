"""The real engine as a process of its own, for benchmarks and end-to-end tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_ASK_EVERY_S = 0.02
TOKEN = "a-token-for-this-run"


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Engine:
    """`bireme up` on a directory of manifests. It can be killed and started again on the same data."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.options = options
        self.manifests = folder / "manifests"
        self.data = folder / "data"
        self.log = folder / "engine.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.manifests.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> None:
        (self.manifests / name).write_text(text)

    def start(self, ready_s: float = 20) -> float:
        """Start and wait until it answers; returns the seconds from exec to ready."""
        command = [sys.executable, "-m", "server", "up", str(self.manifests)]
        command += ["--data-dir", str(self.data), "--port", str(self.port), "--token", TOKEN]
        command += self.options
        begun = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_as_installed(),
            )
        while time.perf_counter() - begun < ready_s:
            if self.process.poll() is not None:
                break
            if self._answers("/readyz"):
                return time.perf_counter() - begun
            time.sleep(0.01)
        raise RuntimeError(f"the engine did not become ready:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9, as a crash does it."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """A polite end; returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """One API call; returns the decoded answer. Raises urllib's HTTPError with the server's status."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=data,
            method=method or ("POST" if data else "GET"),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def workflows(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.call("/api/v1/workflows/default")["items"] or []
        return items

    def workflow(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call(f"/api/v1/workflows/default/{name}")
        return found

    def until(self, condition: Any, wait_s: float = 60) -> None:
        """Wait for a condition on the outside of the engine, at ease: asking must not be what is measured."""
        deadline = time.monotonic() + wait_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {wait_s} s:\n{self.log.read_text()[-4000:]}")
            time.sleep(_ASK_EVERY_S)
            time.sleep(0.02)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=1):
                return True
        except (OSError, urllib.error.URLError):
            return False


def _as_installed() -> dict[str, str]:
    """The environment, with compiled modules kept as an installation keeps them: else a start compiles everything."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def post(url: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    """POST once; the status, or 0 when nobody answered (a crash between send and answer)."""
    request = urllib.request.Request(url, data=body, method="POST", headers=headers or {})
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
