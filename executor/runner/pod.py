"""A step of several processes: init containers one by one, main ones as their needs allow, sidecars beside them.

Runs in a process forked from the runner, the leader of the step's session: everything it starts shares its session, its
view of the file system and its log, and ends with it at the latest. What becomes of each container is appended to
`<node>.containers`, one JSON object a line: `{"name"}` it runs, `{"name", "code", "message"}` it has ended, `{"ready"}`
the step is up.
"""

import json
import os
import signal
import time
from typing import Any

from executor.runner import files, probes, processes
from executor.runner.spawn import Message, become

NEVER_RUN = 64
TERMINATED = 128 + signal.SIGTERM
_GRACE_S = 30.0
_LOOK_S = 1.0
_HEARD = (signal.SIGCHLD, signal.SIGTERM)


class Part:
    """One container of the step: what to run (`given`), its process while it runs, how often it was tried."""

    __slots__ = ("again_at", "code", "given", "name", "pid", "tries")

    def __init__(self, given: Message) -> None:
        self.given = given
        self.name: str = given["name"]
        self.pid = 0
        self.code: int | None = None
        self.tries = 0
        self.again_at = 0.0

    @property
    def role(self) -> str:
        return str(self.given["role"])


def run(message: Message, folder: str, env: dict[str, str], outputs: tuple[int, int]) -> int:
    """The step's exit code. The runner's own files are let go first: its lock and socket are not ours to keep."""
    for source, target in zip(outputs, (1, 2), strict=True):
        os.dup2(source, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in _HEARD:
        signal.signal(number, signal.SIG_DFL)
    return Pod(message, folder, env, (1, 2)).run()


class Pod:
    """Brings one step to its end. `env` is what every container inherits, `outputs` the two files they write to."""

    def __init__(
        self, message: Message, folder: str, env: dict[str, str], outputs: tuple[int, int]
    ) -> None:
        self._folder = folder
        self._env = env
        self._outputs = outputs
        self._parts = [Part(given) for given in message["pod"]]
        self._by_name = {part.name: part for part in self._parts}
        self._by_pid: dict[int, Part] = {}
        self._watch = probes.Watch(
            [
                {**probe, "env": {**env, **part.given["env"]}}
                for part in self._parts
                for probe in part.given.get("probes") or ()
            ]
        )
        self._stopping = False
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._told = os.open(folder + files.CONTAINERS, flags, 0o644)

    def run(self) -> int:
        """Until everything has ended; the exit code of `main`, else of the first container that failed."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
        if not any(self._to_its_end(part) for part in self._of("init")):
            for part in self._of("side"):
                self._start(part)
            while self._advance():
                self._wait()
            self._end_sidecars()
        return self._exit_code()

    def _of(self, role: str) -> list[Part]:
        return [part for part in self._parts if part.role == role]

    def _to_its_end(self, part: Part) -> int:
        """The exit code of an init container."""
        if self._stopping:
            self._never(part, TERMINATED, "")
        else:
            self._start(part)
        while part.code is None:
            self._wait()
        return part.code

    def _advance(self) -> bool:
        """Start what can start; False once all main containers have ended."""
        for part in self._of("main"):
            if part.code is None and not part.pid:
                self._consider(part)
        if not self._stopping and self._watch.is_due(time.monotonic()):
            self._watch.start(time.monotonic())
        return any(part.code is None for part in self._of("main"))

    def _consider(self, part: Part) -> None:
        needs = [self._by_name[name] for name in part.given.get("needs") or ()]
        failed = next((need for need in needs if need.code), None)
        if self._stopping:
            self._never(part, part.code or TERMINATED, "")
        elif failed is not None:
            text = f"dependency {failed.name} exited with non-zero code"
            self._never(part, NEVER_RUN, text)
            self._advance()
        elif all(need.code == 0 for need in needs) and time.monotonic() >= part.again_at:
            self._start(part)

    def _start(self, part: Part) -> None:
        part.tries += 1
        to_result = part.role == "main" and part.name == "main"
        outputs = self._outputs if to_result else (self._outputs[1], self._outputs[1])
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
            env = {**self._env, **part.given["env"]}
            become(part.given, self._folder, env, outputs)
        part.pid = pid
        self._by_pid[pid] = part
        if part.tries == 1:
            self._tell(name=part.name)

    def _wait(self) -> None:
        """Until a process ends, we are told to stop, or there may be something to try again."""
        heard = signal.sigtimedwait(_HEARD, self._watch.wait_s(time.monotonic(), _LOOK_S))
        if heard is not None and heard.si_signo == signal.SIGTERM:
            self._stopping = True  # the signal went to the whole group: everyone has heard it
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._reaped(pid, status)

    def _reaped(self, pid: int, status: int) -> None:
        code = os.waitstatus_to_exitcode(status)
        code = code if code >= 0 else 128 - code
        if part := self._by_pid.pop(pid, None):
            self._ended(part, code)
        elif self._watch.answered(pid, code, time.monotonic()):
            self._tell(ready=True)

    def _ended(self, part: Part, code: int) -> None:
        part.pid = 0
        if code and part.tries < part.given.get("tries", 1) and not self._stopping:
            part.again_at = time.monotonic() + part.given.get("pause_s", 0.0)
            return
        part.code = code
        self._tell(name=part.name, code=code)

    def _never(self, part: Part, code: int, message: str) -> None:
        part.code = code
        self._tell(name=part.name, code=code, message=message)

    def _end_sidecars(self) -> None:
        """SIGTERM to each and what it started, SIGKILL after the grace."""
        alive = [part for part in self._of("side") if part.pid]
        for part in alive:
            _signal_tree(part.pid, signal.SIGTERM)
        until = time.monotonic() + _GRACE_S
        while any(part.pid for part in alive) and time.monotonic() < until:
            self._wait()
        for part in alive:
            if part.pid:
                _signal_tree(part.pid, signal.SIGKILL)
        while any(part.pid for part in alive):
            self._wait()

    def _exit_code(self) -> int:
        if (main := self._by_name.get("main")) and main.role == "main" and main.code is not None:
            return main.code
        judged = (part.code for part in self._parts if part.role != "side")
        return next((code for code in judged if code), 0)

    def _tell(self, **line: Any) -> None:
        os.write(self._told, json.dumps(line).encode() + b"\n")


def _signal_tree(pid: int, number: int) -> None:
    """To the process and all its descendants, which share the step's process group with the main ones."""
    for each in [pid, *processes.descendants(pid)]:
        try:
            os.kill(each, number)
        except ProcessLookupError:
            continue
