"""The running steps: starting, watching, stopping, and writing down how each ended. Single-threaded."""

import heapq
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable

from executor.runner import exits, files, journal, processes, serial, spare, spawn
from executor.runner.spawn import Message

Tell = Callable[[str], None]

LOST = (
    "the exit code was lost: the runner was killed, and the step ended before the next one looked"
    " (its log is kept; run it again with a retryStrategy or a manual retry)"
)
_TERM_GRACE_S = 30.0
_TRIM_EVERY_S = 5.0


class Step:
    """One running step. `pidfd` is set for a process that is not our child."""

    __slots__ = (
        "deadline",
        "folder",
        "has_stdout",
        "message",
        "pid",
        "pidfd",
        "reason",
        "started",
        "task",
    )

    def __init__(self, task: str, folder: str, pid: int, started: float, deadline: float) -> None:
        self.task = task
        self.folder = folder
        self.pid = pid
        self.started = started
        self.deadline = deadline
        self.pidfd = -1
        self.reason = ""
        self.has_stdout = False
        self.message: Message = {}


class Steps:
    """Every step of one data directory that runs. `tell` hands a message to the engines that listen."""

    def __init__(self, root: str, poller: "select.epoll", tell: Tell) -> None:
        self._root = root
        self._poller = poller
        self._tell = tell
        self._journal = journal.Journal(root)
        self._exits = exits.Exits(root)
        self._timers: list[tuple[float, str, int]] = []
        self._unwritten: list[tuple[str, str]] = []
        self._turns = serial.Turns()
        self._spare = spare.Spare(f"{root}/steps")
        self._next_trim = 0.0
        self.base_env: dict[str, str] = {}
        self.log_bytes = 0
        self.running: dict[str, Step] = {}
        self._by_pid: dict[int, Step] = {}
        self.watched: dict[int, Step] = {}

    def take_over(self) -> None:
        """Find what a killed runner left: living processes are watched, the others have lost their exit code."""
        last = {entry.task: entry for entry in self._journal.read()}
        for entry in last.values():
            folder = self._folder(entry.task)
            if self._exits.read(entry.task) is not None or not os.path.isdir(folder):
                continue
            if processes.is_same(entry.pid, entry.written_s):
                self._watch(Step(entry.task, folder, entry.pid, entry.started, entry.deadline))
            else:
                self._lose(entry.task, folder, entry.started)
        self._compact()

    def start(self, message: Message) -> None:
        """Start the step unless it was started before; either way the engine is told what became of it."""
        task = message["id"]
        if step := self.running.get(task):
            self._tell_started(step)
            return
        if self._turns.must_wait(message):
            return
        folder = self._folder(task)
        try:
            log = files.claim(folder, self._spare.become)
        except FileExistsError:
            self._known(task, folder)
        except OSError as error:
            self._tell_ended(task, json.dumps(_fault(spawn.explain(message["argv"][0], error))))
        else:
            self._launch(message, folder, log)

    def stop(self, task: str, grace_s: float, reason: str = "stopped") -> None:
        """SIGTERM to the step's process group now, SIGKILL after the grace. Nothing for one that does not run."""
        if message := self._turns.withdraw(task):
            record = {**_fault(""), "reason": reason, "code": 143}
            self._tell_ended(message["id"], json.dumps(record))
        elif step := self.running.get(task):
            step.reason = step.reason or reason
            _signal(step.pid, signal.SIGTERM if grace_s > 0 else signal.SIGKILL)
            self._set_timer(grace_s, task, signal.SIGKILL)

    def reap(self) -> None:
        """Collect every child that ended."""
        while self._by_pid:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            if step := self._by_pid.pop(pid, None):
                self._ended(step, status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def watched_ended(self, pidfd: int) -> None:
        """A process that is not our child has ended."""
        step = self.watched.pop(pidfd)
        status = processes.exit_status(step.pid, pidfd)
        self._poller.unregister(pidfd)
        os.close(pidfd)
        if status is None:
            del self.running[step.task]
            self._lose(step.task, step.folder, step.started)
        else:
            self._ended(step, status, 0.0, 0)

    def next_timer(self) -> float | None:
        """Seconds until `run_timers` has something to do."""
        if self._unwritten:
            return 1.0
        if not self.running:
            return None
        at = min(self._timers[0][0], self._next_trim) if self._timers else self._next_trim
        return max(at - time.monotonic(), 0.0)

    def run_timers(self) -> None:
        """Deadlines and the end of graces that are due; exit records that a full disk refused."""
        while self._timers and self._timers[0][0] <= time.monotonic():
            _, task, number = heapq.heappop(self._timers)
            step = self.running.get(task)
            if step and number == signal.SIGKILL:
                _signal(step.pid, number)
            elif step:
                self.stop(task, _TERM_GRACE_S, "deadline")
        if self.running and self._next_trim <= time.monotonic():
            self._next_trim = time.monotonic() + _TRIM_EVERY_S
            for step in self.running.values():
                self._trim(step)
        waiting, self._unwritten = self._unwritten, []
        for task, record in waiting:
            self._write(task, record)

    def rest(self) -> None:
        """Nothing is to do right now: the time to prepare for what comes."""
        if self._spare.is_wanted:
            self._spare.prepare()

    @property
    def is_rested(self) -> bool:
        return not self._spare.is_wanted

    @property
    def is_idle(self) -> bool:
        return not (self.running or self._unwritten)

    def _folder(self, task: str) -> str:
        return f"{self._root}/steps/{task}"

    def _launch(self, message: Message, folder: str, log: int) -> None:
        task = message["id"]
        env = {**self.base_env, **message["env"], processes.MARK: task}
        started = files.wall()
        try:
            self._turns.enter(message, folder)
            pid = spawn.command(message, folder, env, log)
        except (spawn.CannotStart, OSError) as error:
            self._finish(task, folder, {**_fault(str(error)), "started": started}, message)
            return
        finally:
            os.close(log)
        step = Step(task, folder, pid, started, message.get("deadline") or 0.0)
        step.has_stdout = bool(message.get("split"))
        step.message = message if spawn.needs_fork(message) else {}
        self._by_pid[pid] = step
        self._run(step)
        self._remember(step)

    def _remember(self, step: Step) -> None:
        """Write the step down for the next runner. A full disk is survived: the step also carries our mark."""
        try:
            self._journal.add(step.task, step.pid, step.deadline, step.started)
            if self._journal.is_long:
                self._compact()
        except OSError as error:
            sys.stderr.write(f"{step.task} is not in the journal: {error}\n")

    def _run(self, step: Step) -> None:
        self.running[step.task] = step
        if step.deadline:
            self._set_timer(step.deadline - files.wall(), step.task, signal.SIGTERM)
        self._tell_started(step)

    def _watch(self, step: Step) -> None:
        try:
            step.pidfd = os.pidfd_open(step.pid)
        except ProcessLookupError:
            self._lose(step.task, step.folder, step.started)
            return
        self.watched[step.pidfd] = step
        self._poller.register(step.pidfd, select.EPOLLIN)
        self._run(step)

    def _known(self, task: str, folder: str) -> None:
        """The step was claimed before and does not run under our eyes."""
        if record := self._exits.read(task):
            self._tell_ended(task, json.dumps(record))
        elif pid := processes.find_marked().get(task):
            self._watch(Step(task, folder, pid, files.wall(), 0.0))
        else:
            self._lose(task, folder, files.wall())

    def _lose(self, task: str, folder: str, started: float) -> None:
        self._finish(task, folder, {**_fault(LOST), "started": started}, {})

    def _ended(self, step: Step, status: int, cpu_s: float, rss_bytes: int) -> None:
        """What the step left in its process group ends with it, as everything in a container does."""
        _signal(step.pid, signal.SIGKILL)
        del self.running[step.task]
        self._trim(step)
        code = os.waitstatus_to_exitcode(status)
        record = {
            "code": code if code >= 0 else 128 - code,
            "started": step.started,
            "ended": files.wall(),
            "reason": step.reason,
            "fault": files.read_fault(step.folder) if step.message else "",
            "cpu_s": round(cpu_s, 6),
            "rss_bytes": rss_bytes,
        }
        self._finish(step.task, step.folder, record, step.message)

    def _trim(self, step: Step) -> None:
        """Keep the logs within bounds; the module is loaded for the first log that is not."""
        try:
            size = os.stat(step.folder + files.LOG).st_size
            if step.has_stdout:
                size += os.stat(step.folder + files.STDOUT).st_size
        except FileNotFoundError:
            return
        if self.log_bytes and size > self.log_bytes:
            from executor.runner import logs

            logs.trim(step.folder, self.log_bytes)

    def _finish(self, task: str, folder: str, record: files.Record, message: Message) -> None:
        ready = self._turns.leave(message, folder)
        text = json.dumps(record)
        self._write(task, text)
        self._tell_ended(task, text)
        for waiting in ready:
            self.start(waiting)

    def _write(self, task: str, record: str) -> None:
        try:
            self._exits.write(task, record)
        except FileNotFoundError:
            return  # the run was deleted meanwhile
        except OSError:
            self._unwritten.append((task, record))  # the disk is full: kept until there is room

    def _compact(self) -> None:
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._journal.rewrite(
            journal.Entry(step.task, step.pid, now, step.deadline, step.started)
            for step in self.running.values()
        )

    def _set_timer(self, in_s: float, task: str, number: int) -> None:
        heapq.heappush(self._timers, (time.monotonic() + max(in_s, 0.0), task, number))

    def _tell_started(self, step: Step) -> None:
        self._tell(f'{{"op":"started","id":{json.dumps(step.task)},"at":{step.started:.6f}}}\n')

    def _tell_ended(self, task: str, record: str) -> None:
        self._tell(f'{{"op":"ended","id":{json.dumps(task)},"exit":{record}}}\n')


def _fault(text: str) -> files.Record:
    now = files.wall()
    return {"code": None, "started": now, "ended": now, "reason": "", "fault": text}


def _signal(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
