"""What the kernel knows about processes that are not our children: used when a runner takes over from a killed one."""

import fcntl
import os
import struct

_GET_INFO, _EXIT_KNOWN = 0xC040FF0B, 8  # ioctl PIDFD_GET_INFO with its 64-byte answer (Linux 6.15)

MARK = "BIREME_TASK"
"""The environment variable that carries the task's id into every step."""


def boot_id() -> str:
    """Which boot of the machine this is: process ids of another boot mean nothing."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def started_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def is_same(pid: int, written_s: float) -> bool:
    """Whether `pid` is still the process that had this id `written_s` seconds after boot."""
    ticks = started_ticks(pid)
    return ticks is not None and ticks <= (written_s + 0.02) * os.sysconf("SC_CLK_TCK")


def exit_status(pid: int, pidfd: int) -> int | None:
    """The wait status of a process that ended and was not our child; None when the kernel does not tell.

    A process that nobody has reaped yet still has its status in /proc; kernels since 6.15 keep it with the pidfd.
    """
    fields = _stat(pid)
    if fields and fields[0] == "Z":
        return int(fields[49])
    answer = bytearray(64)
    struct.pack_into("Q", answer, 0, _EXIT_KNOWN | 1)
    try:
        fcntl.ioctl(pidfd, _GET_INFO, answer)
    except OSError:
        return None
    known = struct.unpack_from("Q", answer)[0] & _EXIT_KNOWN
    return int(struct.unpack_from("i", answer, 60)[0]) if known else None


def descendants(pid: int) -> list[int]:
    """Every process that descends from this one, as far as its parents are alive."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found, stack = [], [pid]
    while stack:
        below = children.get(stack.pop(), [])
        found += below
        stack += below
    return found


def find_marked() -> dict[str, int]:
    """Task id -> pid of every living step on this machine that carries our mark and leads its session."""
    mark = f"\0{MARK}=".encode()
    found: dict[str, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (task := _mark_of(int(name), mark)):
            found[task] = int(name)
    return found


def _mark_of(pid: int, mark: bytes) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = b"\0" + file.read()
        start = environment.find(mark)
        if start < 0 or os.getsid(pid) != pid:
            return ""
        return environment[start + len(mark) :].split(b"\0", 1)[0].decode("utf-8", "replace")
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Fields 3 and on of /proc/<pid>/stat, counted from 0; empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return []
