"""How one command becomes a process: posix_spawn when it can, a fork of this small process when it must.

A fork is needed for what posix_spawn cannot do: resource limits and a private view of the file system.
"""

import os
import signal
from typing import Any, NoReturn

from executor.runner import files

Message = dict[str, Any]

_RESET = [signal.SIGPIPE, signal.SIGXFSZ]
"""Python ignores these; a step must meet them as any process does."""

_NULL: list[int] = []


class CannotStart(Exception):
    """The command could not be started; the text is for people."""


def command(message: Message, folder: str, env: dict[str, str], log: int) -> int:
    """Start the command in a session of its own, output into `log`; its pid. Raises CannotStart."""
    outputs = (_open_stdout(folder) if message.get("split") else log, log)
    try:
        cwd = _working_directory(message, folder)
        _write_files(message, folder)
        if needs_fork(message):
            return _fork(message, folder, env, outputs, cwd)
        os.chdir(cwd)
        return _spawn(message["argv"], env, outputs)
    except OSError as error:
        raise CannotStart(explain(message["argv"][0], error)) from error
    except ValueError as error:  # a NUL in an argument, a `=` in the name of a variable
        raise CannotStart(f"cannot start '{message['argv'][0]}': {error}") from error
    finally:
        if outputs[0] != log:
            os.close(outputs[0])


def needs_fork(message: Message) -> bool:
    """Whether posix_spawn cannot do what is asked."""
    return any(message.get(name) for name in ("private", "binds", "limits", "pod"))


def explain(program: str, error: OSError) -> str:
    """One sentence on why `program` could not be started."""
    subject = error.filename if isinstance(error.filename, str) else program
    return f"cannot start '{program}': {subject}: {error.strerror}"


def _spawn(argv: list[str], env: dict[str, str], outputs: tuple[int, int]) -> int:
    actions = [
        (os.POSIX_SPAWN_DUP2, _null(), 0),
        (os.POSIX_SPAWN_DUP2, outputs[0], 1),
        (os.POSIX_SPAWN_DUP2, outputs[1], 2),
    ]
    return os.posix_spawn(
        argv[0], argv, env, file_actions=actions, setsid=True, setsigdef=_RESET, setsigmask=[]
    )


def _fork(
    message: Message, folder: str, env: dict[str, str], outputs: tuple[int, int], cwd: str
) -> int:
    pid = os.fork()
    if pid == 0:
        _child(message, folder, env, outputs, cwd)
    return pid


def _child(
    message: Message, folder: str, env: dict[str, str], outputs: tuple[int, int], cwd: str
) -> NoReturn:
    """The forked side: never returns, tells its parent of a fault through a file."""
    try:
        os.setsid()
        if message.get("view") == "namespaces":
            from executor.runner import view

            view.enter(folder, message.get("private") or [], message.get("binds") or {})
        if message.get("pod"):
            from executor.runner import pod

            _NULL.clear()
            os._exit(pod.run(message, folder, env, outputs))
        become({**message, "cwd": cwd}, folder, env, outputs)
    except OSError as error:
        _leave_fault(folder, explain(message["argv"][0], error))
    except Exception as error:  # noqa: BLE001  the last line of a forked child: nothing may get past it
        _leave_fault(folder, f"cannot start '{message['argv'][0]}': {error!r}")
    finally:
        os._exit(127)


def become(
    message: Message, folder: str, env: dict[str, str], outputs: tuple[int, int]
) -> NoReturn:
    """Turn this forked process into the command; a fault is told through a file beside the step."""
    try:
        _limit(message.get("limits") or {})
        os.chdir(message.get("cwd") or folder)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        for source, target in ((_null(), 0), (outputs[0], 1), (outputs[1], 2)):
            os.dup2(source, target)
        os.execve(message["argv"][0], message["argv"], env)
    except OSError as error:
        _leave_fault(folder, explain(message["argv"][0], error))
    except Exception as error:  # noqa: BLE001  the last line of a forked child: nothing may get past it
        _leave_fault(folder, f"cannot start '{message['argv'][0]}': {error!r}")
    finally:
        os._exit(127)


def _leave_fault(folder: str, text: str) -> None:
    files.write_whole(folder + files.FAULT, text.encode("utf-8", "replace"))


def _limit(limits: dict[str, int]) -> None:
    """RLIMIT_DATA for memory: it counts what is taken, while RLIMIT_AS breaks runtimes that reserve much."""
    import resource

    kinds = {"memory": resource.RLIMIT_DATA, "file": resource.RLIMIT_FSIZE}
    for name, number in limits.items():
        _, hard = resource.getrlimit(kinds[name])
        soft = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(kinds[name], (soft, soft))


def _working_directory(message: Message, folder: str) -> str:
    """The manifest's workingDir, else the directory of the step."""
    if cwd := message.get("cwd"):
        if not os.path.isdir(cwd) and not (message.get("private") or message.get("binds")):
            raise CannotStart(
                f"workingDir '{cwd}' does not exist on this machine: create it, or leave workingDir out"
            )
        return str(cwd)
    return folder


def _write_files(message: Message, folder: str) -> None:
    for name, text in (message.get("files") or {}).items():
        files.write_whole(folder + name, text.encode("utf-8", "surrogatepass"), 0o755)


def _open_stdout(folder: str) -> int:
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    return os.open(folder + files.STDOUT, flags, 0o644)


def _null() -> int:
    if not _NULL:
        _NULL.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    return _NULL[0]
