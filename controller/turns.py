"""Whose step is started next: runs take turns, so that one with 50,000 ready steps delays another by a single step.

Pure bookkeeping. An executor starts what it is given in that order, so what is fair must be decided before.
"""

from collections import OrderedDict

from executor.model import Task


class Turns:
    """Tasks that wait for a place, by run, and those that hold one. At most `places` hold one at a time."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting: OrderedDict[str, OrderedDict[str, Task]] = OrderedDict()
        self._held: dict[str, set[str]] = {}
        self._count = 0

    @property
    def can_start(self) -> bool:
        """Whether somebody waits and a place is free."""
        return bool(self._waiting) and self._count < self._places

    def ask(self, run: str, task: Task) -> None:
        """The task wants to start. Within a run the order is that of asking; asking twice is asking once."""
        self._waiting.setdefault(run, OrderedDict())[task.id] = task

    def next(self) -> Task | None:
        """The task whose turn it is; it holds a place from now on. None when nobody may start."""
        if not self.can_start:
            return None
        run, tasks = self._waiting.popitem(last=False)
        _, task = tasks.popitem(last=False)
        if tasks:
            self._waiting[run] = tasks
        self.hold(run, task.id)
        return task

    def hold(self, run: str, task: str) -> None:
        """The task runs already (a restart): it holds a place, however many there are."""
        held = self._held.setdefault(run, set())
        self._count += task not in held
        held.add(task)

    def release(self, run: str, task: str) -> None:
        """The task has ended. Nothing happens for one that holds no place."""
        held = self._held.get(run)
        if held is not None and task in held:
            held.remove(task)
            self._count -= 1
            if not held:
                del self._held[run]

    def withdraw(self, run: str, task: str) -> bool:
        """The task shall not start any more; False when it does not wait."""
        tasks = self._waiting.get(run)
        if tasks is None or tasks.pop(task, None) is None:
            return False
        if not tasks:
            del self._waiting[run]
        return True

    def forget(self, run: str) -> None:
        """The run is gone, with all its tasks."""
        self._waiting.pop(run, None)
        self._count -= len(self._held.pop(run, ()))
