"""What lies beside a step's directory, and how it is written so that `kill -9` at any moment leaves no doubt.

`steps/<run>/<node>/` is the step's own: its working directory, in which we keep nothing. Beside it lies `<node>.log`:
the step was claimed and is never started again. Once it has ended, a line in the run's `.exits` says how
(`executor.runner.exits`). Between the two it runs, or its runner was killed.
"""

import os
import time
from typing import Any

LOG = ".log"
STDOUT = ".stdout"
VIEW = ".fs"
FAULT = ".fault"
SCRIPT = ".script"
PROGRESS = ".progress"
ALL = (LOG, STDOUT, VIEW, FAULT, SCRIPT, PROGRESS, ".main-log")

Record = dict[str, Any]
"""The exit record: `code`, `started`, `ended`, `reason` (`deadline`, `stopped`), `fault`, `cpu_s`, `rss_bytes`."""


def wall() -> float:
    """Seconds since the epoch. The runner's only look at the wall clock."""
    return time.time()  # noqa: TID251  the runner imports nothing of ours, so it has no Clock


def claim(folder: str) -> int:
    """Make the step ours: the open log. Raises FileExistsError when it was claimed before."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        pass  # inputs were put there before
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    return os.open(folder + LOG, flags, 0o644)


def write_whole(path: str, content: bytes, mode: int = 0o644) -> None:
    """The file has all of `content` or does not exist under its name."""
    fresh = path + ".tmp"
    fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
    try:
        os.write(fd, content) if len(content) < 4096 else _write_long(fd, content)
    finally:
        os.close(fd)
    os.rename(fresh, path)


def read_fault(folder: str) -> str:
    """Why the command could not be started, as its own forked child put it; empty when it was started."""
    try:
        with open(folder + FAULT, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write_long(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
