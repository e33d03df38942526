"""Colours and live pictures are for terminals that can show them and people who want them."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: run-}
spec:
  entrypoint: main
  templates: [{name: main, container: {image: none, command: ["true"]}}]
"""
ESCAPE, COLOUR = b"\x1b", b"\x1b[36m"


def shown(folder: Path, **env: str) -> bytes:
    """What `bireme run` of a workflow writes to a terminal."""
    path = folder / "workflow.yaml"
    path.write_text(QUICK)
    ours, theirs = pty.openpty()
    known = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    command = [sys.executable, "-m", "server", "run", str(path)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**known, **env}
    ) as process:
        os.close(theirs)
        text = b"".join(_chunks(ours))
    os.close(ours)
    assert process.returncode == 0, text
    return text


def _chunks(fd: int) -> list[bytes]:
    found = []
    try:
        while chunk := os.read(fd, 65_536):
            found.append(chunk)
    except OSError:  # how a terminal says that nobody holds its other end any more
        pass
    return found


def test_a_terminal_gets_colours(tmp_path: Path) -> None:
    assert COLOUR in shown(tmp_path, TERM="xterm")


@pytest.mark.parametrize("env", [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nobody_gets_colours_who_does_not_want_them(tmp_path: Path, env: dict[str, str]) -> None:
    assert COLOUR not in shown(tmp_path, **env)


def test_a_terminal_that_can_do_nothing_gets_plain_lines(tmp_path: Path) -> None:
    text = shown(tmp_path, TERM="dumb")
    assert ESCAPE not in text
    assert b"Succeeded" in text
