"""Steps that only pretend: what each does is written down beforehand. For tests of everything above this deck.

```python
backend = MemoryBackend(clock)
backend.script(r".*\\.flaky(\\(0\\))?$", Play(exit_code=1))
backend.script(r".*\\.build$", Play(seconds=3, outputs={"version": "1.2"}, log="compiled\\n"))
```
"""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bireme.kit.clock import Clock
from bireme.kit.supervise import TaskScope
from executor.model import DEADLINE_EXCEEDED, Outputs, Report, Task
from executor.registry import backends
from executor.reports import Reports


@dataclass(frozen=True, slots=True)
class Play:
    """What a step does: it takes `seconds`, prints `log`, leaves `outputs` and `artifacts`, ends with `exit_code`.

    `error` makes it end as an error of the backend. `ignores_term` makes it live until the grace is over.
    """

    exit_code: int = 0
    seconds: float = 0.0
    log: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, dict[str, object]] = field(default_factory=dict)
    error: str = ""
    ignores_term: bool = False


@backends.register("memory")
class MemoryBackend:
    """Plays tasks by their node name; one that nothing was written for succeeds at once. Forgets all on exit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plays: list[tuple[re.Pattern[str], Play]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._acting: dict[str, tuple[Task, Play]] = {}
        self._last: dict[str, Report] = {}
        self._logs: dict[str, str] = {}
        self._reports = Reports()
        self._scope = TaskScope("memory-backend")
        self.started: list[Task] = []

    def script(self, node_name: str, play: Play) -> None:
        """Nodes whose whole name matches the expression do this. What is written last is asked first."""
        self._plays.insert(0, (re.compile(node_name), play))

    async def start(self, task: Task) -> None:
        if task.id in self._last:
            self._say(self._last[task.id])
            return
        if task.id in self._running:
            return
        self.started.append(task)
        play = self._play_of(task)
        self._acting[task.id] = (task, play)
        self._running[task.id] = self._scope.start(task.id, self._act(task, play))

    async def adopt(self, tasks: Collection[Task]) -> None:
        for task in tasks:
            if task.id in self._running:
                self._say(Report(task=task.id, state="started", at=self._clock.now()))
            else:
                await self.start(task)

    async def stop(self, task_id: str, grace: timedelta) -> None:
        if (acting := self._acting.get(task_id)) is None:
            return
        self._running[task_id].cancel()
        task, play = acting
        if play.ignores_term:
            self._running[task_id] = self._scope.start(
                f"grace {task_id}", self._killed(task, grace)
            )
        else:
            self._end(task, Play(exit_code=143))

    def reports(self) -> AsyncIterator[Report]:
        return self._reports.stream()

    async def next_reports(self) -> list[Report]:
        """All reports there are, waiting for the first."""
        return await self._reports.batch()

    async def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        running = self._running.get(task_id)
        if follow and running:
            await asyncio.wait([running])
        if text := self._logs.get(task_id):
            yield text.encode()

    async def forget(self, task_ids: Collection[str]) -> None:
        for task_id in task_ids:
            self._last.pop(task_id, None)
            self._logs.pop(task_id, None)

    async def close(self) -> None:
        await self._scope.close()

    def _play_of(self, task: Task) -> Play:
        found = (play for pattern, play in self._plays if pattern.fullmatch(task.node_name))
        return next(found, Play())

    async def _act(self, task: Task, play: Play) -> None:
        self._say(Report(task=task.id, state="started", at=self._clock.now()))
        self._logs[task.id] = play.log
        left_s = (task.deadline - self._clock.now()).total_seconds() if task.deadline else None
        if left_s is not None and left_s < play.seconds:
            await self._clock.sleep(left_s)
            self._end(task, Play(exit_code=143), DEADLINE_EXCEEDED)
            return
        await self._clock.sleep(play.seconds)
        self._end(task, play)

    async def _killed(self, task: Task, grace: timedelta) -> None:
        await self._clock.sleep(grace.total_seconds())
        self._end(task, Play(exit_code=137))

    def _end(self, task: Task, play: Play, message: str = "") -> None:
        del self._acting[task.id], self._running[task.id]
        outputs = Outputs(
            parameters=dict(play.outputs),
            artifacts=dict(play.artifacts),
            result=play.log.removesuffix("\n") if task.capture_result else None,
            exit_code=str(play.exit_code),
        )
        now = self._clock.now()
        if play.error:
            report = Report(task=task.id, state="error", at=now, message=play.error)
        elif play.exit_code:
            text = message or f"main: Error (exit code {play.exit_code})"
            report = Report(task=task.id, state="failed", at=now, message=text, outputs=outputs)
        else:
            report = Report(task=task.id, state="succeeded", at=now, outputs=outputs)
        self._last[task.id] = report
        self._say(report)

    def _say(self, report: Report) -> None:
        self._reports.put(report)
