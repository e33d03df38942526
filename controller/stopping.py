"""Ends steps: what must end is written with the decision, and crossed out once the executor was told.

Without the row a process that dies in between would leave the step running for ever: its node has a result already, and
nobody asks about it after a restart.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog

from bireme.kit.errors import ServiceError
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database, Transaction
from controller.dag.model import Effect, StopTask
from executor.model import Task
from executor.ports import Executor

log = structlog.get_logger(__name__)

_NOTE = (
    "INSERT INTO stops (run, task, grace_s) VALUES (?,?,?)"
    " ON CONFLICT (run, task) DO UPDATE SET grace_s=excluded.grace_s"
)
_CROSS_OUT = "DELETE FROM stops WHERE run=? AND task=?"


def note(tx: Transaction, effects: Iterable[Effect]) -> None:
    """Remember the steps that these effects end, in the transaction of the step that decided it."""
    rows = [(*_key(e), e.grace_s) for e in effects if type(e) is StopTask]
    if rows:
        tx.executemany(_NOTE, rows)


def ending(
    tasks: Sequence[Task], write: Callable[[Transaction], None]
) -> Callable[[Transaction], None]:
    """`write`, and in the same transaction the note that these tasks must end: their run goes away."""

    def both(tx: Transaction) -> None:
        write(tx)
        note(tx, [StopTask(task.id) for task in tasks])

    return both


def forget(tx: Transaction, run: str) -> None:
    """The run begins anew: what was to end before is not what runs from now on."""
    tx.execute("DELETE FROM stops WHERE run=?", (run,))


class Stopper:
    """One per controller. `withdraw` takes back a task that was not started yet, and says whether it could."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        tasks: TaskScope,
        withdraw: Callable[[str, str], bool],
    ) -> None:
        self._database = database
        self._executor = executor
        self._tasks = tasks
        self._withdraw = withdraw
        self._told: list[StopTask] = []
        self._running: list[StopTask] = []

    def stop(self, effect: StopTask) -> None:
        """End the step: one that has not begun at once, one that runs soon."""
        if not (self._told or self._running):
            self._tasks.start("stop", self._tell())
        waited = self._withdraw(_key(effect)[0], effect.id)
        (self._told if waited else self._running).append(effect)

    async def again(self) -> None:
        """After a start, before anything goes on: tell the executor what the process before us could not."""
        rows = await self._database.read("SELECT run, task, grace_s FROM stops ORDER BY run, task")
        await self._end([StopTask(f"{run}/{task}", grace_s) for run, task, grace_s in rows])

    async def _tell(self) -> None:
        told, running = self._told, self._running
        self._told, self._running = [], []
        await self._end(running, told)

    async def _end(self, running: Sequence[StopTask], told: Sequence[StopTask] = ()) -> None:
        for effect in running:
            await self._executor.stop(effect.id, timedelta(seconds=effect.grace_s))
        rows = [_key(effect) for effect in (*running, *told)]
        if not rows:
            return
        try:
            await self._database.write(lambda tx: tx.executemany(_CROSS_OUT, rows))
        except ServiceError as error:
            log.warning("stops_not_crossed_out", count=len(rows), error=str(error))


def _key(effect: StopTask) -> tuple[str, str]:
    run, _, task = effect.id.partition("/")
    return run, task
