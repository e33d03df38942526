"""What a child gives up before it runs anything: files, processes, memory without bound, and nearly all system calls.

Every measure is taken where the system has it; `confine` says which ones hold.
"""

import ctypes
import platform
import resource
import signal
import sys

_READ_WRITE_MEMORY_TIME = {
    "x86_64": (0xC000003E, (0, 1, 9, 10, 11, 12, 25, 28, 15, 38, 60, 96, 98, 202, 219, 228, 231, 318)),
    "aarch64": (0xC00000B7, (63, 64, 222, 226, 215, 214, 216, 233, 139, 103, 93, 169, 165, 98, 128, 113, 94, 278)),
}  # fmt: skip
"""Audit architecture, and the numbers of: read, write, mmap, mprotect, munmap, brk, mremap, madvise, rt_sigreturn,
setitimer, exit, gettimeofday, getrusage, futex, restart_syscall, clock_gettime, exit_group, getrandom."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_DUMPABLE, _FILTER = 38, 22, 4, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.POINTER(_Instruction)))


def confine(memory_bytes: int, life_cpu_s: int) -> list[str]:
    """Give everything up, for good; returns the names of the measures in force."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(
            getattr(signal, name), signal.SIG_IGN
        )  # the parent ends us, by closing or killing
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_CPU": life_cpu_s,
        "RLIMIT_NOFILE": 0,
    }
    held = [name for name, value in wanted.items() if _limit(name, value)]
    return [*held, "seccomp"] if _refuse_system_calls() else held


def _limit(name: str, value: int) -> bool:
    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (AttributeError, ValueError, OSError):
        return False
    return True


def _refuse_system_calls() -> bool:
    """From here on any call outside the list fails with EPERM: no open, socket, clone, execve, kill or ptrace."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _READ_WRITE_MEMORY_TIME:
        return False
    architecture, allowed = _READ_WRITE_MEMORY_TIME[machine]
    program = _program(architecture, allowed)
    code = (_Instruction * len(program))(*program)
    given = _Filter(len(program), code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) or prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(given), 0, 0)


def _program(architecture: int, allowed: tuple[int, ...]) -> list[_Instruction]:
    """The filter: another architecture's calls kill, the listed numbers pass, the rest is refused."""
    made = [
        _Instruction(_LOAD, 0, 0, 4),
        _Instruction(_EQUAL, 1, 0, architecture),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, 0),
    ]
    for number in allowed:
        made += [_Instruction(_EQUAL, 0, 1, number), _Instruction(_RETURN, 0, 0, _ALLOW)]
    return [*made, _Instruction(_RETURN, 0, 0, _REFUSE)]
