"""What one evaluation carries along, and the type of a compiled piece."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from bireme.lang.errors import LangError, OverBudget
from bireme.lang.expr.values import go_type

STEPS: Final = 200_000
NOTHING: Final[Mapping[str, Any]] = {}


class Frame:
    """The environment, the element a predicate looks at, the `let` values, and how many steps are left."""

    __slots__ = ("acc", "env", "functions", "index", "item", "lets", "now", "steps")

    def __init__(
        self,
        env: Mapping[str, Any],
        functions: Mapping[str, Any],
        now: datetime | None = None,
    ) -> None:
        self.env = env
        self.functions = functions
        self.now = now
        self.item: Any = None
        self.index = 0
        self.acc: Any = None
        self.lets: dict[str, Any] = {}
        self.steps = STEPS

    def spend(self, steps: int) -> None:
        """Takes steps from the budget. Raises OverBudget when it is used up."""
        self.steps -= steps
        if self.steps < 0:
            raise OverBudget("memory budget exceeded: the expression takes too many steps")


Run = Callable[[Frame], Any]


class Stop(Exception):
    """An optional chain met nil."""


def elements(name: str, value: Any) -> list[Any]:
    """The list a predicate builtin walks, or the bytes of a text. Raises LangError for anything else."""
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return list(value.encode())
    raise LangError(f"builtin {name} takes only array (got {go_type(value)})")


def walk(frame: Frame, items: list[Any], body: Run, backwards: bool = False) -> Iterator[Any]:
    """`body` for each element, the frame pointing at it; the frame is put back afterwards."""
    frame.spend(len(items))
    before = frame.item, frame.index
    order = range(len(items) - 1, -1, -1) if backwards else range(len(items))
    try:
        for index in order:
            frame.item, frame.index = items[index], index
            yield body(frame)
    finally:
        frame.item, frame.index = before
