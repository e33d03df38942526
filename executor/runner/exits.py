"""How the steps of a run ended: one line each, appended to one file of the run.

One append instead of a file per step: making an inode costs more than all else the runner does for a no-op step. The
line that comes last holds; one that a full disk tore is no line. A step that is forgotten (a manual retry runs it
again) gets an empty line, so that its old end is not taken for the new one's.
"""

import errno
import json
import os
from collections import OrderedDict
from collections.abc import Iterable

from executor.runner.files import Record

NAME = ".exits"
_KEPT = 64


class Exits:
    """The exit records of one data directory, for its runner. The files of the runs used last stay open."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._open: OrderedDict[str, int] = OrderedDict()
        self._read: OrderedDict[str, _Reading] = OrderedDict()
        self._torn: set[str] = set()

    def write(self, task: str, record: str) -> None:
        """The step has ended for good. Raises FileNotFoundError when its run was deleted, OSError on a full disk."""
        run, _, node = task.partition("/")
        file = self._file(run)
        start = "\n" if run in self._torn else ""
        line = f"{start}{node}\t{record}\n".encode()
        if os.write(file, line) < len(line):
            self._torn.add(run)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn.discard(run)

    def read(self, task: str) -> Record | None:
        """How the step ended, or None while it has not."""
        run, _, node = task.partition("/")
        reading = self._read.pop(run, None) or _Reading()
        self._read[run] = reading
        if len(self._read) > _KEPT:
            self._read.popitem(last=False)
        reading.go_on(_path(self._root, run))
        text = reading.records.get(node)
        record: Record | None = json.loads(text) if text else None
        return record

    def _file(self, run: str) -> int:
        fd = self._open.pop(run, -1)
        if fd >= 0 and os.fstat(fd).st_nlink == 0:  # the run was deleted, and may be there again
            os.close(fd)
            fd = -1
        if fd < 0:
            flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(_path(self._root, run), flags, 0o644)
            self._make_whole(run, fd)
        self._open[run] = fd
        if len(self._open) > _KEPT:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def _make_whole(self, run: str, fd: int) -> None:
        """An earlier runner may have been stopped by a full disk in the middle of a line."""
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            self._torn.add(run)


class _Reading:
    """What has been read of one run's file, so that asking for many steps reads it once."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self._inode = 0
        self._offset = 0

    def go_on(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self._inode:
                    self.records, self._inode, self._offset = {}, inode, 0
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            self.records, self._inode, self._offset = {}, 0, 0
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode("utf-8", "replace").split("\n"):
            node, tab, record = line.partition("\t")
            if tab and (not record or record.endswith("}")):
                self.records[node] = record


def read(root: str, task: str) -> Record | None:
    """How one step ended, or None while it has not."""
    return Exits(root).read(task)


def forget(root: str, tasks: Iterable[str]) -> None:
    """The steps are as if they had never ended. May be called beside a runner."""
    nodes: dict[str, list[str]] = {}
    for task in tasks:
        run, _, node = task.partition("/")
        nodes.setdefault(run, []).append(node)
    for run, names in nodes.items():
        try:
            fd = os.open(_path(root, run), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.write(fd, ("\n" + "".join(f"{name}\t\n" for name in names)).encode())
        finally:
            os.close(fd)


def _path(root: str, run: str) -> str:
    return f"{root}/steps/{run}/{NAME}"
