"""The runner's memory of what it started: one line per step, so that the next runner can find the processes.

A line is written after the process exists. A runner killed between the two leaves a claimed step without a line,
which is then looked for by its environment (`processes.find_marked`).
"""

import os
import time
from collections.abc import Iterable
from typing import NamedTuple

from executor.runner import files, processes

NAME = "runner.journal"
_COMPACT_BYTES = 4 << 20


class Entry(NamedTuple):
    """A started step: its process, when that was written down (seconds since boot), its deadline (epoch, 0 = none)."""

    task: str
    pid: int
    written_s: float
    deadline: float
    started: float


class Journal:
    """Append-only within one boot; compacted to the running steps when it has grown."""

    def __init__(self, root: str) -> None:
        self._path = f"{root}/{NAME}"
        self._fd = -1
        self._size = 0

    def read(self) -> list[Entry]:
        """What a previous runner of this boot wrote; nothing after a reboot. A torn last line is ignored."""
        try:
            with open(self._path, encoding="utf-8") as file:
                lines = file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []
        if not lines or lines[0] != processes.boot_id():
            return []
        return [_parse(line) for line in lines[1:]]

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Begin anew with these."""
        text = processes.boot_id() + "\n" + "".join(_format(entry) for entry in entries)
        files.write_whole(self._path, text.encode())
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = len(text)

    def add(self, task: str, pid: int, deadline: float, started: float) -> None:
        entry = Entry(task, pid, time.clock_gettime(time.CLOCK_BOOTTIME), deadline, started)
        self._size += os.write(self._fd, _format(entry).encode())

    @property
    def is_long(self) -> bool:
        return self._size > _COMPACT_BYTES


def _format(entry: Entry) -> str:
    return f"{entry.task}\t{entry.pid}\t{entry.written_s:.3f}\t{entry.deadline:.3f}\t{entry.started:.6f}\n"


def _parse(line: str) -> Entry:
    task, pid, written_s, deadline, started = line.split("\t")
    return Entry(task, int(pid), float(written_s), float(deadline), float(started))
