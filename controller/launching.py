"""Hands the executor what may start, one run after the other, and never more than there are places."""

from collections.abc import Callable, Collection

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.kit.supervise import TaskScope
from controller.turns import Turns
from executor.model import Report, Task
from executor.ports import Executor

log = structlog.get_logger(__name__)

RETRY_S = 1.0


class Launcher:
    """The places of one executor. A step that a backend refuses is reported as an error, told in its message."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        tasks: TaskScope,
        report: Callable[[Report], None],
        places: int,
    ) -> None:
        self._executor = executor
        self._clock = clock
        self._tasks = tasks
        self._report = report
        self._turns = Turns(places)
        self._asked = False
        self._pausing = False

    def ask(self, run: str, task: Task) -> None:
        """The task wants to start; `launch` or `ask_launch` comes next."""
        self._turns.ask(run, task)

    def release(self, run: str, task: str) -> None:
        """The task has ended: its place is free."""
        self._turns.release(run, task)
        self.ask_launch()

    def withdraw(self, run: str, task: str) -> bool:
        """The task shall not start any more; False when it does not wait."""
        return self._turns.withdraw(run, task)

    def forget(self, run: str) -> None:
        """The run is over or gone, with all its tasks."""
        self._turns.forget(run)
        self.ask_launch()

    def pause(self) -> None:
        """Start nothing until `go_on`: not all that runs already is known."""
        self._pausing = True

    def go_on(self) -> None:
        self._pausing = False
        self.ask_launch()

    async def adopt(self, tasks: Collection[Task]) -> None:
        """These run already, or should: each holds a place, however many there are.

        While the executor's own service is away nobody knows what became of them, so it is asked until it answers.
        """
        for task in tasks:
            self._turns.hold(task.run, task.id)
        while tasks and not await self._is_adopted(tasks):
            await self._clock.sleep(RETRY_S)

    async def _is_adopted(self, tasks: Collection[Task]) -> bool:
        try:
            await self._executor.adopt(tasks)
        except ServiceError as error:
            log.warning("tasks_wait_for_executor", count=len(tasks), error=str(error))
            return False
        return True

    def ask_launch(self) -> None:
        """Start soon what may start."""
        if self._turns.can_start and not self._asked and not self._pausing:
            self._asked = True
            self._tasks.start("launch", self.launch())

    async def launch(self) -> None:
        """Start what may start."""
        self._asked = False
        while not self._pausing and (task := self._turns.next()) is not None:
            await self._start(task)

    async def _start(self, task: Task) -> None:
        try:
            await self._executor.start(task)
        except Exception as error:  # noqa: BLE001  boundary: a backend's fault is the step's error, told in its message
            log.warning("task_not_started", task=task.id, error=str(error))
            self._report(
                Report(task=task.id, state="error", at=self._clock.now(), message=str(error))
            )
