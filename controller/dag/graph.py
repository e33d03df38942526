"""The shape of a dag template: who needs whom, computed once per template."""

from collections.abc import Collection, Iterable
from functools import cached_property

from bireme.lang import depends
from bireme.lang.errors import LangError
from controller.dag.model import Json


class Graph:
    """Tasks by index. `needs` and `dependents` are each other's inverse.

    `problem` says what is wrong with it although validation let it pass: a task that is not there, a text that cannot
    be read, a circle. Nothing of such a graph may be started.
    """

    def __init__(self, dag: Json) -> None:
        self.tasks: list[Json] = dag.get("tasks") or []
        self.index = {task["name"]: i for i, task in enumerate(self.tasks)}
        self.conditions: dict[int, depends.Depends] = {}
        self.problem = ""
        self.needs: list[tuple[int, ...]] = [self._needs(i) for i in range(len(self.tasks))]
        self.dependents: list[tuple[int, ...]] = self._inverse()
        self.problem = self.problem or self._circle()

    def _needs(self, i: int) -> tuple[int, ...]:
        try:
            named = dict.fromkeys(self._named(i))
        except LangError as error:
            return self._wrong(i, f"depends: {error}")
        missing = next((name for name in named if name not in self.index), None)
        if missing is not None:
            return self._wrong(i, f"it needs '{missing}', which is no task of this dag")
        return tuple(self.index[name] for name in named)

    def _named(self, i: int) -> Iterable[str]:
        task = self.tasks[i]
        if not task.get("depends"):
            return task.get("dependencies") or ()
        self.conditions[i] = depends.parse(task["depends"])
        return self.conditions[i].tasks

    def _wrong(self, i: int, what: str) -> tuple[int, ...]:
        self.problem = self.problem or f"task '{self.tasks[i]['name']}': {what}"
        return ()

    def _circle(self) -> str:
        """Who never could start because it waits, in the end, for itself."""
        unmet = [len(needed) for needed in self.needs]
        free = [i for i, count in enumerate(unmet) if not count]
        while free:
            for j in self.dependents[free.pop()]:
                unmet[j] -= 1
                if not unmet[j]:
                    free.append(j)
        stuck = (task["name"] for task, count in zip(self.tasks, unmet, strict=True) if count)
        name = next(stuck, None)
        return "" if name is None else f"task '{name}': it waits for itself, through what it needs"

    def _inverse(self) -> list[tuple[int, ...]]:
        found: dict[int, list[int]] = {}
        for i, needed in enumerate(self.needs):
            for j in needed:
                found.setdefault(j, []).append(i)
        return [tuple(found.get(i, ())) for i in range(len(self.tasks))]

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The tasks nothing depends on, by name."""
        found = (i for i, more in enumerate(self.dependents) if not more)
        return tuple(sorted(found, key=lambda i: str(self.tasks[i]["name"])))

    def walk(self, targets: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """The order in which tasks get a free place, every target behind what it needs; and of every task its rank."""
        return self._whole if targets is self.leaves else self._walk(targets)

    @cached_property
    def _whole(self) -> tuple[list[int], list[int]]:
        return self._walk(self.leaves)

    def _walk(self, targets: tuple[int, ...]) -> tuple[list[int], list[int]]:
        order = self._order(targets)
        rank = [len(order)] * len(self.tasks)
        for place, slot in enumerate(order):
            rank[slot] = place
        return order, rank

    def _order(self, targets: tuple[int, ...]) -> list[int]:
        found: dict[int, None] = {}
        stack = [(target, False) for target in reversed(targets)]
        while stack:
            slot, is_met = stack.pop()
            if is_met or slot in found:
                found.setdefault(slot)
                continue
            stack.append((slot, True))
            stack.extend((j, False) for j in reversed(self.needs[slot]) if j not in found)
        return list(found)

    def closure(self, targets: tuple[int, ...]) -> Collection[int]:
        """The targets and everything they need: all tasks, when the targets are the leaves."""
        if targets is self.leaves:
            return range(len(self.tasks))
        found, stack = set(targets), list(targets)
        while stack:
            fresh = [j for j in self.needs[stack.pop()] if j not in found]
            found.update(fresh)
            stack.extend(fresh)
        return frozenset(found)
