"""The life of a step that the engine does itself: written down before it is begun and once it has ended.

Shared by the backends of the agent (`http`, …), which say only what the work is.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal, TypeVar

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.errors import BiremeError, ServiceError
from bireme.kit.supervise import TaskScope
from executor.model import DEADLINE_EXCEEDED, Outputs, Report, Task
from executor.records import Records
from executor.surroundings import Surroundings

log = structlog.get_logger(__name__)

T = TypeVar("T")

STOPPED = "stopped"
_AGAIN = Backoff(base_s=0.1, factor=2, cap_s=5)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the work ended: what a Report says, without the moment."""

    state: Literal["succeeded", "failed", "error"]
    message: str = ""
    outputs: Outputs | None = None


class Agent(ABC):
    """An Executor whose steps are coroutines of this process, at most `parallel` at once.

    A step that an earlier engine ended is reported again, never done again. One that it had begun is handed to
    `perform` with `again`: only the kind of work knows whether doing it twice is harmless.
    """

    def __init__(self, surroundings: Surroundings, parallel: int = 256) -> None:
        self.surroundings = surroundings
        self._records = Records(surroundings.database)
        self._scope = TaskScope(f"{type(self).__name__}")
        self._working: dict[str, asyncio.Task[None]] = {}
        self._stopped: set[str] = set()
        self._places = asyncio.Semaphore(parallel)

    @abstractmethod
    async def perform(self, task: Task, again: bool) -> Ending:
        """Do the work. A BiremeError raised becomes the step's error, in its words. Cancelled when it is stopped."""

    async def start(self, task: Task) -> None:
        if task.id not in self._working:
            self._working[task.id] = self._scope.start(task.id, self._live(task))

    async def adopt(self, tasks: Collection[Task]) -> None:
        for task in tasks:
            await self.start(task)

    async def stop(self, task_id: str, grace: timedelta) -> None:
        if working := self._working.get(task_id):
            self._stopped.add(task_id)
            working.cancel()

    def reports(self) -> AsyncIterator[Report]:
        return self.surroundings.reports.stream()

    async def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        """Such a step prints nothing: what it got is its result."""
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk

    async def forget(self, task_ids: Collection[str]) -> None:
        """The rows are common to all of the agent's backends: one of them forgets for all."""
        await self._records.forget(task_ids)

    async def close(self) -> None:
        await self._scope.close()

    async def _live(self, task: Task) -> None:
        report = None
        try:
            async with self._places:
                report = await self._attempt(task)
        except asyncio.CancelledError:
            if task.id not in self._stopped:
                raise
            report = self._report(task, Ending("failed", STOPPED))
            await self._durable(task.id, partial(self._records.end, report))
        finally:
            self._working.pop(task.id, None)
            self._stopped.discard(task.id)
        self.surroundings.reports.put(report)

    async def _attempt(self, task: Task) -> Report:
        now = self.surroundings.clock.now()
        known = await self._durable(task.id, partial(self._records.begin, task.id, now))
        if known.report is not None:
            return known.report
        self.surroundings.reports.put(Report(task=task.id, state="started", at=now))
        report = self._report(task, await self._bounded(task, known.again))
        await self._durable(task.id, partial(self._records.end, report))
        return report

    async def _bounded(self, task: Task, again: bool) -> Ending:
        """The work, within the task's deadline."""
        now = self.surroundings.clock.now()
        left_s = (task.deadline - now).total_seconds() if task.deadline else None
        try:
            async with asyncio.timeout(left_s):
                return await self.perform(task, again)
        except TimeoutError:
            return Ending("failed", DEADLINE_EXCEEDED)
        except BiremeError as error:
            return Ending("error", str(error))
        except Exception as error:
            log.error("agent_step_broken", task=task.id, error=str(error), exc_info=error)
            return Ending("error", f"{type(error).__name__}: {error}")

    def _report(self, task: Task, ending: Ending) -> Report:
        return Report(
            task=task.id,
            state=ending.state,
            at=self.surroundings.clock.now(),
            message=ending.message,
            outputs=ending.outputs,
        )

    async def _durable(self, task_id: str, write: Callable[[], Awaitable[T]]) -> T:
        """Nothing is done before it is written down, no end is told before: with a full disk the step waits."""
        attempt = 0
        while True:
            try:
                return await write()
            except ServiceError as error:
                attempt += 1
                if attempt == 1:
                    log.error("agent_step_not_written", task=task_id, error=str(error))
                await self.surroundings.clock.sleep(_AGAIN.delay(attempt))
