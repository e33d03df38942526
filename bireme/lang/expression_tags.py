"""`{{=expression}}`: which variables it may see, when it must wait, and what is written in its place."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from bireme.lang import environment, expr, gojson
from bireme.lang.errors import LangError, MissingVariable

# Known only later: a lenient pass leaves an expression that looks at one of these until it is there.
LATE: Final = ("item", "retries", "lastRetry", "workflow.status", "workflow.failures")
# Names that exist both as a value and as the beginning of other names; the latter win.
_PARENTS: Final = frozenset(
    {"parameters", "labels", "annotations", "creationTimestamp", "item", "outputs", "artifacts"}
)

_EXPRESSION: Final = re.compile(r"\{\{=(.*?)\}\}", re.DOTALL)


def evaluate_tag(
    text: str,
    variables: Mapping[str, Any],
    strict: Collection[str] | Literal["all"],
    now: datetime | None,
) -> str:
    """What stands in place of the tag. Without `strict`, an expression that cannot be evaluated stays as it is."""
    unchanged = "{{=" + text + "}}"
    try:
        expression = expr.compile(text)
    except LangError as error:
        if not strict:
            return unchanged
        raise LangError(f"failed to evaluate expression: {error}") from None
    env = env_for(expression, variables)
    if missing := _missing(expression, env):
        if wanted := _first_strict(missing, strict):
            raise MissingVariable(f"failed to evaluate expression: {wanted} is missing")
        return unchanged
    if not strict and waits(expression, env):
        return unchanged
    try:
        return _written(expression, env, now)
    except LangError:
        if strict:
            raise
        return unchanged


def unreadable(value: Any) -> str:
    """What is wrong with the first expression tag that cannot be read, in a text or anywhere in a dict or list.

    Empty when all can be; a text without expression tags costs one search.
    """
    return next((f"{tag} {fault}" for _, tag, fault in all_unreadable(value)), "")


def all_unreadable(value: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, tag, fault) of every expression tag that cannot be read."""
    if isinstance(value, str):
        for text in _EXPRESSION.findall(value):
            try:
                expr.compile(text)
            except LangError as error:
                fault = f"does not parse: {str(error).splitlines()[0]}"
                yield path, f"{{{{={text}}}}}", fault
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from all_unreadable(member, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from all_unreadable(member, f"{path}[{index}]")


def _written(expression: expr.Expression, env: Mapping[str, Any], now: datetime | None) -> str:
    try:
        value = expression.evaluate(env, environment.functions(), now=now)
    except LangError as error:
        raise LangError(f"failed to evaluate expression: {error}") from None
    if value is None:
        raise LangError(
            f"failed to evaluate expression {gojson.quote(expression.text, html=False)}"
        )
    if isinstance(value, str):
        return value
    try:
        return gojson.dumps(value)
    except LangError as error:
        raise LangError(f"failed to marshal evaluated expression: {error}") from None


def env_for(expression: expr.Expression, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The objects an expression looks into: only the variables it mentions, or all with the same root."""
    flat: dict[str, Any] = {}
    roots: set[str] = set()
    for path in expression.mentions:
        if path.rpartition(".")[2] not in _PARENTS and path in variables:
            flat[path] = variables[path]
        else:
            roots.add(path.partition(".")[0])
    if "$env" in expression.text:
        flat.update(variables)
    elif roots:
        flat.update((key, variables[key]) for key in variables if key.partition(".")[0] in roots)
    return environment.expand_dotted(flat)


def waits(expression: expr.Expression, env: Mapping[str, Any]) -> bool:
    """Whether it looks at something that comes later and is not there yet."""
    for path in expression.mentions:
        for late in LATE:
            if (path == late or path.startswith(f"{late}.")) and not _has(env, late):
                return True
    return False


def _missing(expression: expr.Expression, env: Mapping[str, Any]) -> list[str]:
    """The required names without a value, shortest first."""
    known = environment.functions()
    return [
        path
        for path in sorted(expression.identifiers, key=lambda path: (path.count("."), path))
        if not _has(env, path) and not _has(known, path)
    ]


def _first_strict(missing: list[str], strict: Collection[str] | Literal["all"]) -> str:
    return next(_strict_ones(missing, strict), "")


def _strict_ones(missing: list[str], strict: Collection[str] | Literal["all"]) -> Iterator[str]:
    for path in missing:
        if strict == "all" or path.partition(".")[0] in strict:
            yield path


def _has(env: Mapping[str, Any], path: str) -> bool:
    value: Any = env
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return True
        if name not in value:
            return False
        value = value[name]
    return True
