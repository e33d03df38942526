"""How commands find a running engine."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from server import local
from server.local import LocalEngine


def engine(data_dir: Path, *, pid: int | None = None, at: float = 1.0) -> LocalEngine:
    return LocalEngine("http://127.0.0.1:1", "secret", pid or os.getpid(), data_dir, at)


def test_a_token_is_made_once_kept_private_and_found_again(tmp_path: Path) -> None:
    token, is_new = local.token_for(tmp_path, "")
    assert is_new
    assert local.token_for(tmp_path, "") == (token, False)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_given_token_is_used_and_not_kept(tmp_path: Path) -> None:
    assert local.token_for(tmp_path, "given") == ("given", False)
    assert not (tmp_path / "token").exists()


def test_an_engine_with_another_data_directory_is_found_by_its_pointer(tmp_path: Path) -> None:
    here, there, state = tmp_path / "here", tmp_path / "there", tmp_path / "state"
    local.announce(engine(there), state)
    found = local.find(here, state)
    assert found is not None
    assert (found.server, found.token) == ("http://127.0.0.1:1", "secret")
    note = there / "engine.json"
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    pointers = [path.read_text() for path in (state / "engines").iterdir()]
    assert pointers == [str(there)]


def test_the_engine_of_the_own_data_directory_comes_before_a_younger_one(tmp_path: Path) -> None:
    here, there, state = tmp_path / "here", tmp_path / "there", tmp_path / "state"
    local.announce(engine(here, at=1), state)
    local.announce(engine(there, at=2), state)
    found = local.find(here, state)
    assert found is not None
    assert found.data_dir == here


def test_a_dead_engine_is_not_found(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    local.announce(engine(tmp_path, pid=ended.pid), tmp_path / "state")
    assert local.find(tmp_path, tmp_path / "state") is None


def test_an_engine_is_starting_until_it_says_its_address(tmp_path: Path) -> None:
    assert not local.is_starting(tmp_path)
    local.begin(tmp_path)
    assert local.is_starting(tmp_path)
    local.announce(engine(tmp_path), tmp_path / "state")
    assert not local.is_starting(tmp_path)


def test_an_engine_that_died_at_its_start_is_waited_for_by_nobody(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "starting").write_text(str(ended.pid))
    assert not local.is_starting(tmp_path)


def test_a_withdrawn_engine_leaves_nothing(tmp_path: Path) -> None:
    local.announce(engine(tmp_path / "data"), tmp_path / "state")
    local.withdraw(tmp_path / "data", tmp_path / "state")
    assert list((tmp_path / "state" / "engines").iterdir()) == []
    assert not (tmp_path / "data" / "engine.json").exists()


def test_a_state_directory_that_cannot_be_made_costs_only_discovery(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    local.announce(engine(tmp_path), blocked)
    assert local.read_note(tmp_path) is not None
