"""The directory that the runner makes ahead for the next run."""

import os
from pathlib import Path

import pytest

from executor.runner.spare import NAME, Spare


@pytest.fixture
def spare(tmp_path: Path) -> Spare:
    made = Spare(str(tmp_path))
    made.prepare()
    return made


def test_the_spare_directory_becomes_the_next_run(spare: Spare, tmp_path: Path) -> None:
    inode = (tmp_path / NAME).stat().st_ino
    spare.become(str(tmp_path / "run"))
    assert (tmp_path / "run").stat().st_ino == inode
    assert spare.is_wanted
    assert os.listdir(tmp_path) == ["run"]


def test_without_a_spare_one_the_directory_is_made(spare: Spare, tmp_path: Path) -> None:
    spare.become(str(tmp_path / "one"))
    spare.become(str(tmp_path / "two"))
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


def test_a_spare_directory_that_was_taken_away_is_made_up_for(spare: Spare, tmp_path: Path) -> None:
    (tmp_path / NAME).rmdir()
    spare.become(str(tmp_path / "run"))
    assert (tmp_path / "run").is_dir()


def test_a_run_whose_inputs_are_there_keeps_them(spare: Spare, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "input").write_text("kept")
    spare.become(str(tmp_path / "run"))
    assert (tmp_path / "run" / "input").read_text() == "kept"


def test_the_spare_directory_of_a_killed_runner_is_used(spare: Spare, tmp_path: Path) -> None:
    later = Spare(str(tmp_path))
    later.prepare()
    later.become(str(tmp_path / "run"))
    assert os.listdir(tmp_path) == ["run"]


def test_a_disk_without_room_is_no_fault_of_the_spare_one(tmp_path: Path) -> None:
    spare = Spare(str(tmp_path / "gone"))
    spare.prepare()
    assert not spare.is_wanted, "or it would be tried again a hundred times a second"
    with pytest.raises(FileNotFoundError):
        spare.become(str(tmp_path / "gone" / "run"))
