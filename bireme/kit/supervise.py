"""Long-lived tasks that are named, watched and stopped in order. No other module creates tasks."""

import asyncio
from collections.abc import Awaitable, Collection, Coroutine
from typing import Any

import structlog

from bireme.kit.errors import BiremeError

log = structlog.get_logger(__name__)


class EndedEarly(BiremeError):
    """A task that should run until stopped returned by itself."""


async def run_together(
    tasks: dict[str, Awaitable[None]], *, stop: asyncio.Event, drain_s: float = 10.0
) -> None:
    """Run the named tasks until `stop` is set or one of them fails; then cancel all and wait `drain_s` for them.

    Raises the first failure. A task that returns before `stop` raises EndedEarly. Tasks that refuse to be cancelled
    are named in the log.
    """
    running: dict[asyncio.Future[None], str] = {
        asyncio.ensure_future(task): name for name, task in tasks.items()
    }
    stopping = asyncio.ensure_future(stop.wait())
    try:
        everything: list[asyncio.Future[Any]] = [stopping, *running]
        await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        await _drain(running, drain_s, stop)


async def _drain(
    running: dict[asyncio.Future[None], str], drain_s: float, stop: asyncio.Event
) -> None:
    ended = [task for task in running if task.done()]
    for task in running:
        task.cancel()
    _, stuck = await asyncio.wait(running, timeout=drain_s)
    for task in stuck:
        log.error("task_stuck", task=running[task], waited_s=drain_s)
    for task in ended:
        task.result()
        if not stop.is_set():
            raise EndedEarly(f"task '{running[task]}' ended by itself")


async def end(tasks: Collection["asyncio.Task[Any]"], wait_s: float) -> "set[asyncio.Task[Any]]":
    """Cancel and wait; gives those that have not ended after `wait_s`. They are told again every second, because
    `asyncio.wait_for` loses a cancellation that comes together with what it waits for (Python 3.11)."""
    pending = set(tasks)
    for _ in range(max(1, round(wait_s))):
        if not pending:
            break
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)
    return pending


class TaskScope:
    """Fire-and-forget tasks of one owner: failures are logged with the task's name, `close` cancels what is left."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=f"{self.owner}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), error=str(error), exc_info=error)

    async def close(self, drain_s: float = 0.0) -> None:
        """Wait `drain_s` for the tasks to end, then cancel them."""
        pending = set(self._tasks)
        if pending and drain_s:
            _, pending = await asyncio.wait(pending, timeout=drain_s)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=5)
