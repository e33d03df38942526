"""The disk runs full under a working engine: nothing is accepted that cannot be kept, and work goes on afterwards."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.engine import Engine, free_port, post
from tests.e2e.test_crash_loop import MANIFESTS, settled

pytestmark = pytest.mark.e2e


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The engine's data directory on a disk of 12 MiB."""
    place = tmp_path / "engine" / "data"
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "bireme-test", str(place)]
    if os.getuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


def test_what_a_full_disk_refuses_is_not_accepted_and_work_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    engine, port, ran = Engine(tmp_path / "engine"), free_port(), tmp_path / "ran"
    engine.write("load.yaml", MANIFESTS % (port, ran))
    engine.start()
    url = f"http://127.0.0.1:{port}/hook"
    assert [post(url, b'{"n":"%d"}' % n) for n in range(3)] == [200, 200, 200]
    filler = fill(small_disk)
    answers = [post(url, b'{"n":"%d"}' % n) for n in range(100, 400)]
    assert set(answers) <= {200, 500}
    assert answers[-1] == 500
    assert engine.process is not None
    assert engine.process.poll() is None
    filler.unlink()
    accepted = {0, 1, 2, *(n for n, status in enumerate(answers, 100) if status == 200)}
    engine.until(lambda: post(url, b'{"n":"1000"}') == 200)
    engine.until(lambda: settled(engine))
    engine.stop()
    lines = Counter(ran.read_text().splitlines())
    assert {int(line.split()[0]) for line in lines if line.endswith("second")} == accepted | {1000}
    assert set(lines.values()) == {1}
    assert "disk" in engine.log.read_text()
