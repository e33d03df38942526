"""What lies beside a step's directory, and how it is written so that `kill -9` at any moment leaves no doubt.

`steps/<run>/<node>/` is the step's own: its working directory, in which we keep nothing. Beside it lies `<node>.log`:
the step was claimed and is never started again. Once it has ended, a line in the run's `.exits` says how
(`executor.runner.exits`). Between the two it runs, or its runner was killed.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

LOG = ".log"
STDOUT = ".stdout"
VIEW = ".fs"
FAULT = ".fault"
SCRIPT = ".script"
PROGRESS = ".progress"
CONTAINERS = ".containers"
VOLUMES = ".volumes"
ALL = (LOG, STDOUT, VIEW, FAULT, SCRIPT, PROGRESS, ".main-log", CONTAINERS, VOLUMES)

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
_TOP_OF_HIERARCHY = 0x00020000  # FS_TOPDIR_FL

Record = dict[str, Any]
"""The exit record: `code`, `started`, `ended`, `reason` (`deadline`, `stopped`), `fault`, `cpu_s`, `rss_bytes`."""


def wall() -> float:
    """Seconds since the epoch. The runner's only look at the wall clock."""
    return time.time()  # noqa: TID251  the runner imports nothing of ours, so it has no Clock


def claim(folder: str, make_run: Callable[[str], None]) -> int:
    """Make the step ours: the open log. Raises FileExistsError when it was claimed before."""
    try:
        make(folder)
    except FileNotFoundError:  # the first step of its run
        make_run(folder[: folder.rindex("/")])
        make(folder)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    return os.open(folder + LOG, flags, 0o644)


def make(folder: str) -> None:
    """Make the directory, unless it is there. Raises OSError."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return  # inputs were put there before


def spread(folder: str) -> None:
    """Ask the file system to put each directory made in `folder` somewhere else on the disk, as it does for homes.

    ext4 looks long for a free inode where many were deleted within the last minute: ten times the cost of a no-op
    step, wherever old runs are removed or a test suite has been at work. File systems that know no such wish ignore it.
    """
    import fcntl

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = bytearray(8)
        fcntl.ioctl(fd, _GET_FLAGS, flags)
        wanted = int.from_bytes(flags, sys.byteorder) | _TOP_OF_HIERARCHY
        fcntl.ioctl(fd, _SET_FLAGS, wanted.to_bytes(8, sys.byteorder))
    except OSError:
        return
    finally:
        os.close(fd)


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
