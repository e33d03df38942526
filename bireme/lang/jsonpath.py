"""JSONPath as Argo's jsonpath() answers: a definite path gives the value or fails, any other gives a list.

Our own, because the dialect is its library's: `.length`, computed indexes, objects walked in the order of their keys,
filters in which a missing name makes the element fall out.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

from bireme.lang import expr
from bireme.lang.errors import LangError

Kind = str  # key, index, slice, all, union, filter, script, deep
_MAX_PATH: Final = 10_000
_NAME = re.compile(r"\.([^.\[\]\s'\"()]+)")
_RANGE = re.compile(r"\s*(-?\d+|)\s*:\s*(-?\d+|)\s*(?::\s*(-?\d+|)\s*)?")
_INSIDE = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<path>[@$](?:\.[\w-]*[A-Za-z_]\w*|\[(?:'[^']*'|"[^"]*"|-?\d+)\])*)"""
)
_DASHED = re.compile(r"-\w*$")


class Token(NamedTuple):
    """One step of a path."""

    kind: Kind
    value: Any = None


def find(data: Any, path: str) -> Any:
    """What the path leads to. Raises LangError for a bad path, and when a definite path leads nowhere."""
    try:
        return _walk(data, data, parse(path))
    except RecursionError:
        raise LangError("the document nests too deep for a JSONPath") from None


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Token, ...]:
    """The steps of a path. Raises LangError."""
    if path[:1] not in ("$", "@") or not path or len(path) > _MAX_PATH:
        raise LangError(f"invalid JSONPath selector '{path}': it starts with $")
    tokens: list[Token] = []
    at = 1
    while at < len(path):
        token, at = _token(path, at)
        tokens.append(token)
    return tuple(tokens)


def _token(path: str, at: int) -> tuple[Token, int]:
    if path.startswith("..", at):
        rest = path[at + 2 : at + 3]
        return Token("deep"), at + (2 if rest in ("", "[") else 1)
    if path.startswith(".*", at):
        return Token("all"), at + 2
    if match := _NAME.match(path, at):
        return Token("key", match[1]), match.end()
    if path[at] == "[":
        end = _closing(path, at)
        return _bracket(path, path[at + 1 : end].strip()), end + 1
    if path[at] == "." and path[at + 1 : at + 2] == "[":
        return _token(path, at + 1)
    raise LangError(
        f"invalid JSONPath selector '{path}' unexpected token '{path[at]}' at index {at}"
    )


def _closing(path: str, at: int) -> int:
    depth = 0
    for match in re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\[\]'"]""").finditer(path, at):
        depth += {"[": 1, "]": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    raise LangError(
        f"invalid JSONPath selector '{path}' invalid token. '{path[at:]}' does not match any token format"
    )


def _bracket(path: str, inner: str) -> Token:
    if inner == "*":
        return Token("all")
    if inner.startswith("?(") and inner.endswith(")"):
        return Token("filter", _condition(inner[2:-1]))
    if inner.startswith("(") and inner.endswith(")"):
        return Token("script", _condition(inner[1:-1]))
    if match := _RANGE.fullmatch(inner):
        return Token("slice", tuple(int(part) if part else None for part in match.groups()))
    parts = [
        _literal(path, part) for part in re.split(r""",(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""", inner)
    ]
    if len(parts) > 1:
        return Token("union", tuple(parts))
    return parts[0]


def _literal(path: str, part: str) -> Token:
    part = part.strip()
    if len(part) > 1 and part[0] in "'\"" and part[-1] == part[0]:
        return Token("key", re.sub(r"\\(.)", r"\1", part[1:-1]))
    if re.fullmatch(r"-?\d+", part):
        return Token("index", int(part))
    raise LangError(
        f"invalid JSONPath selector '{path}' invalid token. '[{part}]' does not match any token format"
    )


class Condition(NamedTuple):
    """An expression about one element: its paths are looked up first, then the rest is evaluated."""

    expression: expr.Expression
    paths: tuple[tuple[bool, tuple[Token, ...]], ...]

    def value(self, root: Any, here: Any) -> Any:
        env: dict[str, Any] = {}
        for index, (from_root, path) in enumerate(self.paths):
            top = root if from_root else here
            env[f"p{index}"] = _whole(_walk(root, top, path))
        return self.expression.evaluate(env)


def _whole(value: Any) -> Any:
    """JSON knows one kind of number: what is whole counts as an integer, as `%` needs it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _condition(text: str) -> Condition:
    if not text.strip():
        raise LangError("invalid expression. is empty")
    if re.search(r"\b(?:and|or|not)\b", text):
        raise LangError(f"invalid expression. '{text}': write && || !")
    found: list[tuple[bool, tuple[Token, ...]]] = []

    def name(match: re.Match[str]) -> str:
        if match["text"]:
            return match["text"]
        path = match["path"]
        tail = _DASHED.search(path) if re.search(r"-\d+$", path) else None
        cut = path[: tail.start()] if tail else path
        found.append((cut[0] == "$", parse(cut)))
        return f"p{len(found) - 1}{path[len(cut) :]}"

    return Condition(expr.compile(_INSIDE.sub(name, text)), tuple(found))


def _walk(root: Any, value: Any, tokens: tuple[Token, ...]) -> Any:
    if not tokens:
        return value
    token, rest = tokens[0], tokens[1:]
    if token.kind in _ONE:
        return _walk(root, _ONE[token.kind](root, value, token.value), rest)
    many = _MANY[token.kind](root, value, token.value)
    if not rest:
        return many
    return list(_each(root, many, rest))


def _each(root: Any, values: list[Any], tokens: tuple[Token, ...]) -> Iterator[Any]:
    """The rest of the path for each element; elements it fails for fall out, lists of wildcards are joined."""
    joined = any(token.kind in ("all", "slice", "filter", "deep") for token in tokens)
    for value in values:
        try:
            found = _walk(root, value, tokens)
        except LangError:
            continue
        if joined:
            yield from found
        else:
            yield found


def _key(root: Any, value: Any, name: str) -> Any:
    if isinstance(value, dict) and name in value:
        return value[name]
    if name == "length" and isinstance(value, (dict, list, str)):
        return len(value)
    if isinstance(value, dict):
        raise LangError(f"key: invalid token key '{name}' not found")
    raise LangError(f"key: invalid token target. expected [map] got [{_kind(value)}]")


def _index(root: Any, value: Any, index: int) -> Any:
    if not isinstance(value, list):
        raise LangError(f"index: invalid token target. expected [array slice] got [{_kind(value)}]")
    if not -len(value) <= index < len(value):
        raise LangError("index: invalid token out of range")
    return value[index]


def _script(root: Any, value: Any, condition: Condition) -> Any:
    found = condition.value(root, value)
    if isinstance(found, str):
        return _key(root, value, found)
    if isinstance(found, (int, float)) and not isinstance(found, bool) and found == int(found):
        return _index(root, value, int(found))
    raise LangError("script: the expression gives neither a name nor an index")


def _all(root: Any, value: Any, _: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    if isinstance(value, list):
        return value
    raise LangError(
        f"wildcard: invalid token target. expected [array map slice] got [{_kind(value)}]"
    )


def _slice(root: Any, value: Any, bounds: tuple[int | None, int | None, int | None]) -> list[Any]:
    if not isinstance(value, list):
        raise LangError(f"range: invalid token target. expected [array slice] got [{_kind(value)}]")
    if bounds[2] == 0:
        raise LangError("range: invalid token out of range")
    start, stop, step = bounds
    return value[start:stop][::step]  # a step backwards walks the same part from its end


def _union(root: Any, value: Any, tokens: tuple[Token, ...]) -> list[Any]:
    """Those of the names and indexes that lead somewhere."""
    found = []
    for token in tokens:
        with suppress(LangError):
            found.append(_ONE[token.kind](root, value, token.value))
    return found


def _filter(root: Any, value: Any, condition: Condition) -> list[Any]:
    return [item for item in _all(root, value, None) if _holds(root, item, condition)]


def _holds(root: Any, item: Any, condition: Condition) -> bool:
    try:
        return bool(condition.value(root, item))
    except LangError:
        return False


def _deep(root: Any, value: Any, _: Any) -> list[Any]:
    """The value and everything below it."""
    found = [value]
    if isinstance(value, (dict, list)):
        for child in _all(root, value, None):
            found += _deep(root, child, None)
    return found


def _kind(value: Any) -> str:
    names = {str: "string", float: "float64", int: "int", bool: "bool", list: "slice", dict: "map"}
    return names.get(type(value), "nil")


_ONE: Final[dict[Kind, Callable[[Any, Any, Any], Any]]] = {
    "key": _key,
    "index": _index,
    "script": _script,
}
_MANY: Final[dict[Kind, Callable[[Any, Any, Any], list[Any]]]] = {
    "all": _all,
    "slice": _slice,
    "union": _union,
    "filter": _filter,
    "deep": _deep,
}
