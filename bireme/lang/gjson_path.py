"""gjson's path syntax: the next step of a path and what is left of it."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

MODIFIERS: Final = frozenset(
    [
        "this",
        "reverse",
        "flatten",
        "join",
        "valid",
        "keys",
        "values",
        "tostr",
        "fromstr",
        "group",
        "dig",
        "pretty",
        "ugly",
    ]
)


class Step(NamedTuple):
    """One component: what to match, the rest after a dot (`more`) or after a pipe (`piped`)."""

    part: str
    wild: bool = False
    rest: str = ""
    more: bool = False
    piped: bool = False


class Query(NamedTuple):
    """`#(path op value)`; `all` for a trailing `#`."""

    path: str
    op: str
    value: str
    all: bool
    step: Step


def starts_pipe(rest: str) -> bool:
    """Whether a dot before `rest` acts as a pipe: a modifier, a multipath or a literal follows."""
    if rest.startswith("@"):
        return re.split("[.|:]", rest[1:], maxsplit=1)[0] in MODIFIERS
    return rest[:1] in ("[", "{", "!") and bool(rest)


@lru_cache(maxsize=4096)
def object_step(path: str) -> Step:
    """The first component, read as the key of an object. Wild parts keep `\\` before literal `*` and `?`."""
    part: list[str] = []
    wild = False
    at = 0
    while at < len(path):
        char = path[at]
        if char in ".|":
            return _split(path, at, "".join(part), wild)
        if char == "\\" and at + 1 < len(path):
            at += 1
            part.append(("\\" if path[at] in "*?\\" else "") + path[at])
        else:
            wild = wild or char in "*?"
            part.append(char)
        at += 1
    return Step(_part("".join(part), wild), wild)


def _part(part: str, wild: bool) -> str:
    return part if wild else re.sub(r"\\([*?\\])", r"\1", part)


def _split(path: str, at: int, part: str, wild: bool) -> Step:
    rest = path[at + 1 :]
    piped = path[at] == "|" or (bool(rest) and starts_pipe(rest))
    return Step(_part(part, wild), wild, rest, not piped, piped)


@lru_cache(maxsize=4096)
def array_step(path: str) -> Step | Query:
    """The first component, read as what to do with an array: an index, `#`, or a query."""
    if path.startswith(("#(", "#[")):
        query = parse_query(path)
        if query is not None:
            return query
    return _plain_step(path)


def _plain_step(path: str) -> Step:
    """Up to the next dot or bar, whatever stands there."""
    for at, char in enumerate(path):
        if char == "|" or (char == "." and not path.startswith("#")):
            return _split(path, at, path[:at], False)
        if char == ".":
            return Step(path[:at], False, path[at + 1 :], True, False)
    return Step(path)


def parse_query(path: str) -> Query | None:
    """`#(…)` or `#(…)#` at the start of a path; None when its brackets do not close."""
    start, end = _query_span(path)
    if end < 0:
        return None
    inner = path[2:end]
    name, op, value = inner.strip(), "", ""
    if start:
        name = path[2:start].strip()
        op, value = _operator(path[start:end].strip())
    rest = path[end + 1 :]
    every = rest.startswith("#")
    step = _plain_step(path[end + 1 + every :]) if rest[every:] else Step("")
    return Query(name, op, value, every, _after(rest[every:], step))


def _after(rest: str, step: Step) -> Step:
    if not rest:
        return Step("")
    if rest[0] == "|":
        return Step("", rest=rest[1:], piped=True)
    return Step("", rest=rest[1:], more=True) if rest[0] == "." else step


def _query_span(path: str) -> tuple[int, int]:
    """Where the operator starts (0: none) and where the closing bracket is (-1: nowhere)."""
    depth, start, at = 1, 0, 2
    while at < len(path):
        char = path[at]
        if depth == 1 and not start and char in "!=<>%":
            start = at
        elif char == "\\":
            at += 1
        elif char in "[(":
            depth += 1
        elif char in "])":
            depth -= 1
            if depth == 0:
                return start, at
        elif char == '"':
            at = string_end(path, at)
        at += 1
    return 0, -1


def string_end(path: str, at: int) -> int:
    """The index of the quote that closes the string opened at `at`."""
    at += 1
    while at < len(path) and path[at] != '"':
        at += 2 if path[at] == "\\" else 1
    return at


def _operator(text: str) -> tuple[str, str]:
    size = 2 if text[:2] in ("!=", "!%", "<=", ">=", "==") else 1
    op, value = text[:size], text[size:].strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
        value = re.sub(r"\\(.)", r"\1", value) if "\\" in value else value
    return ("=" if op == "==" else op), value


def split_pipe(path: str) -> tuple[str, str | None]:
    """The path up to the first `|` that is not inside a query, and what follows it."""
    if "|" not in path:
        return path, None
    if path.startswith("{"):
        end = squash_end(path, 0)
        return (path[:end], path[end + 1 :]) if path[end : end + 1] == "|" else (path, None)
    at = 0
    while at < len(path):
        if path[at] == "\\":
            at += 1
        elif path.startswith((".#(", ".#["), at):
            _, end = _query_span(path[at + 1 :])
            if end < 0:
                return path, None
            at += end + 1
        elif path[at] == "|":
            return path[:at], path[at + 1 :]
        at += 1
    return path, None


def squash_end(text: str, at: int) -> int:
    """Where the bracketed or quoted piece that opens at `at` ends."""
    if text[at] == '"':
        return min(string_end(text, at) + 1, len(text))
    depth = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            at = string_end(text, at)
        elif char in "{[(":
            depth += 1
        elif char in "}])":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return len(text)


class Selector(NamedTuple):
    """One entry of a multipath: its name as written (may be empty) and its path."""

    name: str
    path: str


def selectors(path: str) -> tuple[list[Selector], str] | None:
    """The entries of `[a,b]` or `{"n":a}` at the start of a path, and the rest; None when it does not close."""
    found: list[Selector] = []
    depth, colon, start, at, modifier = 1, 0, 1, 1, False
    while at < len(path):
        char = path[at]
        if char == "\\":
            at += 1
        elif char == "@" and path[at - 1] in ".|":
            modifier = True
        elif char == ":" and not modifier and depth == 1:
            colon = at
        elif char == '"':
            at = string_end(path, at)
        elif char in "[({":
            depth += 1
        elif char in "])}":
            depth -= 1
        if depth == 0 or (char == "," and depth == 1):
            found.append(_selector(path, start, colon, at))
            start, colon, modifier = at + 1, 0, False
            if depth == 0:
                return found, path[at + 1 :]
        at += 1
    return None


def _selector(path: str, start: int, colon: int, end: int) -> Selector:
    if colon:
        return Selector(path[start:colon], path[colon + 1 : end])
    return Selector("", path[start:end])


def name_of_last(path: str) -> str:
    """The name a value gets in `{a.b}`: its last component, or `_` when that is no plain name."""
    last = re.split(r"(?<!\\)[.|]", path)[-1]
    return "_" if re.search(r"[\x00-\x1f\[\]{}()#|!]", last) else last
