"""What a DAG task depends on: task names and `task.Result` joined by `&&`, `||`, `!`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from bireme.lang import expr
from bireme.lang.errors import LangError, MissingVariable

RESULTS: Final = (
    "Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", "AnySucceeded", "AllFailed",
)  # fmt: skip
_OF_ITEMS: Final = frozenset({"AnySucceeded", "AllFailed"})
_NAME = re.compile(
    r"(?P<task>[a-zA-Z0-9][-a-zA-Z0-9]*?)\.(?P<result>[A-Z][a-zA-Z]+)|(?P<bare>[a-zA-Z0-9][-a-zA-Z0-9]*)"
)
ContinueOn = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class TaskResults:
    """How a task came out, as `depends` asks for it."""

    succeeded: bool = False
    failed: bool = False
    errored: bool = False
    skipped: bool = False
    omitted: bool = False
    daemoned: bool = False
    any_succeeded: bool = False
    all_failed: bool = False


_FIELDS: Final = tuple(field.name for field in fields(TaskResults))


@dataclass(frozen=True, slots=True)
class Depends:
    """A parsed text: the tasks it names in order of appearance, and which of them are asked about their items."""

    text: str
    tasks: tuple[str, ...]
    of_items: frozenset[str]

    def evaluate(
        self, env: Mapping[str, TaskResults], tolerated: Mapping[str, ContinueOn] | None = None
    ) -> bool:
        """Whether the task may run. Raises MissingVariable when a task has no results yet, LangError when no bool."""
        return evaluate(self, env, tolerated or {})


@lru_cache(maxsize=4096)
def parse(text: str) -> Depends:
    """The text understood. Raises LangError for one that is no condition or names an unknown result."""
    names: dict[str, None] = {}
    of_items: set[str] = set()
    for match in _NAME.finditer(text):
        names[match["task"] or match["bare"]] = None
        _check_result(match)
        if match["result"] in _OF_ITEMS:
            of_items.add(match["task"])
    parsed = Depends(text, tuple(names), frozenset(of_items))
    _compiled(text, parsed.tasks, ())
    return parsed


def _check_result(match: re.Match[str]) -> None:
    if match["result"] and match["result"] not in RESULTS:
        known = ", ".join(RESULTS)
        raise LangError(
            f"task result '{match['result']}' for task '{match['task']}' is invalid; known: {known}"
        )


def evaluate(
    parsed: Depends, results: Mapping[str, TaskResults], tolerated: Mapping[str, ContinueOn]
) -> bool:
    """Whether the condition holds. `tolerated` is each task's continueOn, which widens its bare name."""
    given = tuple(_tolerance(tolerated.get(name)) for name in parsed.tasks)
    env: dict[str, Any] = {}
    for index, name in enumerate(parsed.tasks):
        if name not in results:
            raise MissingVariable(f"task '{name}' has not come out yet")
        env[f"t{index}"] = dict(
            zip(RESULTS, (getattr(results[name], field) for field in _FIELDS), strict=True)
        )
    try:
        return expr.eval_bool(_compiled(parsed.text, parsed.tasks, given), env)
    except LangError as error:
        raise LangError(f"unable to evaluate expression '{parsed.text}': {error}") from None


@lru_cache(maxsize=4096)
def _compiled(text: str, tasks: tuple[str, ...], tolerated: tuple[tuple[str, ...], ...]) -> str:
    """The text expanded, with plain names in place of the tasks', so that no name can mean anything to the language."""
    alias = {name: f"t{index}" for index, name in enumerate(tasks)}
    more = dict(zip(tasks, tolerated, strict=False))

    def write(name: str, result: str) -> str:
        return f"{alias[name]}.{result}" if result else _bare(alias[name], more.get(name, ()))

    plain = _rewrite(text, write)
    expr.compile(plain)
    return plain


def _rewrite(text: str, write: Callable[[str, str], str]) -> str:
    return _NAME.sub(lambda m: write(m["task"] or m["bare"], m["result"] or ""), text)


def _tolerance(continue_on: ContinueOn) -> tuple[str, ...]:
    if not continue_on:
        return ()
    pairs = (("error", "Errored"), ("failed", "Failed"))
    return tuple(result for key, result in pairs if continue_on.get(key))


def _bare(name: str, tolerated: tuple[str, ...]) -> str:
    wanted = ("Succeeded", "Skipped", "Daemoned", *tolerated)
    return f"({' || '.join(f'{name}.{result}' for result in wanted)})"


def expand(depends: str | Sequence[str], continue_on: Mapping[str, ContinueOn]) -> str:
    """The text with every bare task name written out; a list of names (`dependencies`) is joined by `&&`."""
    text = depends if isinstance(depends, str) else " && ".join(depends)

    def write(name: str, result: str) -> str:
        return f"{name}.{result}" if result else _bare(name, _tolerance(continue_on.get(name)))

    return _rewrite(text, write)
