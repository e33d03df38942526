"""How steps ended is kept through torn lines, deleted runs and repeated steps."""

import errno
import json
import os
from pathlib import Path

import pytest

from executor.runner import exits


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "steps" / "run").mkdir(parents=True)
    return str(tmp_path)


def record(code: int) -> str:
    return json.dumps({"code": code})


def test_a_step_that_has_not_ended_has_no_record(root: str) -> None:
    assert exits.read(root, "run/a") is None


def test_what_one_runner_wrote_the_next_one_reads(root: str) -> None:
    exits.Exits(root).write("run/a", record(1))
    exits.Exits(root).write("run/b", record(2))
    assert exits.read(root, "run/a") == {"code": 1}
    assert exits.read(root, "run/b") == {"code": 2}


def test_a_reader_sees_what_is_added_later(root: str) -> None:
    reader, writer = exits.Exits(root), exits.Exits(root)
    writer.write("run/a", record(1))
    assert reader.read("run/a") == {"code": 1}
    writer.write("run/b", record(2))
    assert reader.read("run/b") == {"code": 2}


def test_a_forgotten_step_has_no_record_until_it_ends_again(root: str) -> None:
    ours = exits.Exits(root)
    ours.write("run/a", record(1))
    exits.forget(root, ["run/a", "gone/b"])
    assert ours.read("run/a") is None
    ours.write("run/a", record(3))
    assert ours.read("run/a") == {"code": 3}


def test_a_torn_line_is_no_record_and_harms_no_other(root: str) -> None:
    path = Path(root, "steps", "run", exits.NAME)
    path.write_text(f"a\t{record(1)}\nb\t" + '{"code": 2, "rea')
    ours = exits.Exits(root)
    assert ours.read("run/b") is None
    ours.write("run/c", record(4))
    assert [ours.read(f"run/{node}") for node in "abc"] == [{"code": 1}, None, {"code": 4}]


def test_a_full_disk_is_an_error_and_the_retry_is_read(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, real = exits.Exits(root), os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:5]))
    with pytest.raises(OSError, match="No space left") as caught:
        ours.write("run/a", record(1))
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    ours.write("run/a", record(1))
    assert exits.read(root, "run/a") == {"code": 1}


def test_a_deleted_run_is_said_so_and_may_come_back(root: str) -> None:
    ours, folder = exits.Exits(root), Path(root, "steps", "run")
    ours.write("run/a", record(1))
    (folder / exits.NAME).unlink()
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        ours.write("run/b", record(2))
    folder.mkdir()
    ours.write("run/b", record(2))
    assert ours.read("run/b") == {"code": 2}
    assert ours.read("run/a") is None


def test_many_runs_need_few_open_files(root: str) -> None:
    ours = exits.Exits(root)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        os.mkdir(f"{root}/steps/r{number}")
        ours.write(f"r{number}/a", record(number))
    assert len(os.listdir("/proc/self/fd")) - before <= 64
    assert ours.read("r0/a") == {"code": 0}
