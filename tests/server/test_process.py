"""`bireme up` as a process: what it prints, how it is found, how it stops."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.test_api_events import free_port

pytestmark = pytest.mark.e2e


class Up:
    """Engines and commands that know each other by one home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home)}
        self.engines: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """An engine that has said that it is up; what it said is in `said`."""
        command = [sys.executable, "-m", "server", "up", "--port", "0", *words]
        engine = subprocess.Popen(command, env=self.env, stderr=subprocess.PIPE, text=True)
        self.engines.append(engine)
        assert engine.stderr is not None
        self.said = ""
        while "  data " not in self.said:
            line = engine.stderr.readline()
            assert line, self.said
            self.said += line
        return engine

    def type(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "server", *words]
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=30, check=False
        )


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path)
    yield up
    for engine in up.engines:
        engine.kill()
        engine.wait()
        assert engine.stderr is not None
        engine.stderr.close()


def test_commands_find_the_engine_and_it_leaves_no_trace_of_running(up: Up) -> None:
    engine = up.start()
    listed = up.type("list")
    assert (listed.returncode, listed.stdout) == (0, "")
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(timeout=20) == 0
    after = up.type("list")
    assert after.returncode == 1
    assert "no engine is running here" in after.stderr


def test_a_command_typed_in_the_same_breath_waits_for_the_engine(up: Up, tmp_path: Path) -> None:
    port = str(free_port())
    hook = {"webhook": {"order": {"endpoint": "/o", "method": "POST", "port": port}}}
    source = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "EventSource",
        "metadata": {"name": "shop"},
        "spec": hook,
    }
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "source.json").write_text(json.dumps(source))
    command = [sys.executable, "-m", "server", "up", "--port", "0", str(folder)]
    up.engines.append(subprocess.Popen(command, env=up.env, stderr=subprocess.PIPE, text=True))
    sent = up.type("send", "webhook", "--to", f"http://127.0.0.1:{port}/o")
    assert sent.returncode == 0, sent.stderr
    listed = up.type("events", "list", "-o", "json")
    assert [event["source"] for event in json.loads(listed.stdout)] == ["shop"]


def test_a_second_engine_on_the_same_data_names_the_first(up: Up) -> None:
    engine = up.start()
    second = up.type("up", "--port", "0")
    assert second.returncode == 1
    assert f"pid {engine.pid}" in second.stderr


def test_an_engine_that_was_killed_is_not_found_and_the_next_one_starts(up: Up) -> None:
    engine = up.start()
    engine.kill()
    engine.wait()
    assert up.type("list").returncode == 1
    up.start()
    assert up.type("list").returncode == 0


def test_a_taken_port_is_named_with_a_way_out(up: Up) -> None:
    up.start()
    address = next(word for word in up.said.split() if word.startswith("http://"))
    port = address.rpartition(":")[2]
    second = up.type("up", "--port", port, "--data-dir", str(up.home / "other"))
    assert second.returncode == 1
    assert "take another port with --port" in second.stderr
