"""The log: our lines and those of the libraries we use."""

import json
import logging
from pathlib import Path

import pytest

from bireme.kit import logs
from server import parts
from server.settings import Settings


def test_what_a_library_says_is_a_line_like_ours(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(format="json")
    logging.getLogger("some.library").warning("lost %s", "the broker")
    logging.getLogger("some.library").info("not worth telling")
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["library"]) == ("library_said", "some.library")
    assert (told["level"], told["text"]) == ("warning", "lost the broker")


def test_a_secret_in_what_a_library_says_is_masked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    logs.configure(format="json")
    given = {"DOOR_KEY": "hunter2-hunter2"}
    secrets = parts.secrets_of(Settings(data_dir=tmp_path, state_dir=tmp_path, secret_values=given))
    assert secrets.secret("default", "door", "key") == b"hunter2-hunter2"
    logging.getLogger("some.library").error("login failed with hunter2-hunter2")
    written = capsys.readouterr().err
    assert "login failed" in written
    assert "hunter2" not in written
