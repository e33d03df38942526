"""An executor that runs nothing: tests say what becomes of each task, and it remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime, timedelta

from bireme.kit.errors import ServiceError
from executor.model import Outputs, Report, Task

Outcome = Callable[[Task], Report | None]
AT = datetime(2026, 1, 1, tzinfo=UTC)


def succeeds(task: Task) -> Report:
    return Report(task=task.id, state="succeeded", at=AT, outputs=Outputs(exit_code="0"))


def fails(task: Task) -> Report:
    return Report(
        task=task.id, state="failed", at=AT, message="exit code 1", outputs=Outputs(exit_code="1")
    )


def hangs(task: Task) -> None:
    return None


class ScriptedExecutor:
    """Lives longer than a controller, as steps do: a new controller on the same one finds the same tasks."""

    def __init__(self, outcome: Outcome = succeeds) -> None:
        self.outcome = outcome
        self.started: list[Task] = []
        self.stopped: list[str] = []
        self.forgotten: list[str] = []
        self.refuse: Exception | None = None
        self.away = 0
        self.hold_stops = False
        self._known: set[str] = set()
        self._ended: dict[str, Report] = {}
        self._queue: asyncio.Queue[Report] = asyncio.Queue()

    @property
    def names(self) -> list[str]:
        return [task.node_name for task in self.started]

    async def start(self, task: Task) -> None:
        if self.refuse is not None:
            raise self.refuse
        if task.id in self._known:
            return
        self._known.add(task.id)
        self.started.append(task)
        self._queue.put_nowait(Report(task=task.id, state="started", at=AT))
        self.finish(task)

    def finish(self, task: Task, outcome: Outcome | None = None) -> None:
        report = (outcome or self.outcome)(task)
        if report is not None:
            self._ended[task.id] = report
            self._queue.put_nowait(report)

    async def stop(self, task_id: str, grace: timedelta) -> None:
        if self.hold_stops:
            await asyncio.get_running_loop().create_future()
        self.stopped.append(task_id)

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            yield await self._queue.get()

    async def adopt(self, tasks: Collection[Task]) -> None:
        if self.away:
            self.away -= 1
            raise ServiceError("the cluster does not answer")
        for task in tasks:
            if task.id in self._ended:
                self._queue.put_nowait(self._ended[task.id])
            else:
                await self.start(task)

    def crash(self) -> None:
        """The controller died: reports it had not taken are gone with its socket; the tasks are not."""
        self._queue = asyncio.Queue()

    async def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        yield f"output of {task_id.partition('/')[2]}\n".encode()

    async def forget(self, task_ids: Collection[str]) -> None:
        self.forgotten.extend(task_ids)
        self._known.difference_update(task_ids)
        for task_id in task_ids:
            self._ended.pop(task_id, None)

    async def close(self) -> None:
        return
