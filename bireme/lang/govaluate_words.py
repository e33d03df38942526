"""The words of govaluate, the language of `when` and of the filter `exprs`: text to tokens, with its own complaints."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bireme.lang.errors import LangError
from bireme.lang.expr import values

PREFIXES = frozenset({"-", "!", "~"})
MODIFIERS = frozenset({"+", "-", "&", "|", "^", ">>", "<<", "*", "/", "%", "**"})
LOGICAL = frozenset({"&&", "||"})
COMPARATORS = frozenset({"==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"})
TERNARY = frozenset({"?", ":", "??"})

_ENDS = frozenset({"NUMERIC", "BOOLEAN", "STRING", "TIME", "VARIABLE", "PATTERN"})
_STARTS = frozenset(
    {"PREFIX", "NUMERIC", "BOOLEAN", "VARIABLE", "STRING", "TIME", "CLAUSE", "PATTERN"}
)
_AFTER_VALUE = frozenset(
    {"MODIFIER", "COMPARATOR", "LOGICALOP", "CLAUSE_CLOSE", "TERNARY", "SEPARATOR"}
)
_MAY_FOLLOW: dict[str, frozenset[str]] = {
    "UNKNOWN": _STARTS,
    "CLAUSE": _STARTS | {"CLAUSE_CLOSE"},
    "CLAUSE_CLOSE": _AFTER_VALUE | _STARTS - {"PREFIX"},
    "MODIFIER": _STARTS - {"TIME", "PATTERN"} | {"CLAUSE_CLOSE"},
    "COMPARATOR": _STARTS | {"CLAUSE_CLOSE"},
    "LOGICALOP": _STARTS - {"PATTERN"} | {"CLAUSE_CLOSE"},
    "PREFIX": frozenset({"NUMERIC", "BOOLEAN", "VARIABLE", "CLAUSE", "CLAUSE_CLOSE"}),
    "TERNARY": _STARTS - {"PATTERN"} | {"SEPARATOR"},
    "SEPARATOR": _STARTS - {"PATTERN"},
    "TIME": _AFTER_VALUE - {"TERNARY"},
    **dict.fromkeys(_ENDS - {"TIME"}, _AFTER_VALUE),
}
_MAY_END = _ENDS | {"CLAUSE_CLOSE"}

_HEX = re.compile(r"0x([0-9a-fA-F]+)")
_NUMBER = re.compile(r"[\d.]+")
_NAME = re.compile(r"(?:[^\W\d_]|\\.)(?:[\w.]|\\.)*")
_BRACKET = re.compile(r"\[((?:[^\]\\]|\\.)*)(\]?)", re.DOTALL)
_STRING = re.compile(r"""['"]((?:[^'"\\]|\\.)*)(['"]?)""", re.DOTALL)
_OPERATOR = re.compile(r"""[^\w\s()\[\]'"]+|_+""")
_DATES = (
    "%a %b %d %H:%M:%S %Y", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f%z", "%I:%M%p",
)  # fmt: skip
_TIME_ONLY = "%I:%M%p"
_YEAR_ZERO = -62_167_219_200.0


@dataclass(frozen=True, slots=True)
class Word:
    """One token: its kind as govaluate names it and its value; `accessor` for a bare name with dots."""

    kind: str
    value: Any
    accessor: bool = False


def split(text: str) -> list[Word]:
    """The words of an expression, in an order that can make sense. Raises LangError."""
    words: list[Word] = []
    last = Word("UNKNOWN", None)
    depth = 0
    for word in _words(text):
        _check(last, word)
        depth += {"CLAUSE": 1, "CLAUSE_CLOSE": -1}.get(word.kind, 0)
        words.append(word)
        last = word
    if last.kind not in _MAY_END:
        raise LangError("Unexpected end of expression")
    if depth:
        raise LangError("Unbalanced parenthesis")
    return words


def _check(last: Word, word: Word) -> None:
    if word.kind in _MAY_FOLLOW[last.kind]:
        return
    if last.kind == "VARIABLE" and word.kind == "CLAUSE":
        raise LangError(f"Undefined function {last.value}")
    raise LangError(
        f"Cannot transition token types from {last.kind} [{values.text(last.value)}]"
        f" to {word.kind} [{values.text(word.value)}]"
    )


def _words(text: str) -> Iterator[Word]:
    at, last = 0, "UNKNOWN"
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        word, at = _word(text, at, last)
        last = word.kind
        yield word


def _word(text: str, at: int, last: str) -> tuple[Word, int]:
    first = text[at]
    if first.isdigit() or first == ".":
        return _number(text, at)
    if first in ",()":
        kind = {",": "SEPARATOR", "(": "CLAUSE", ")": "CLAUSE_CLOSE"}[first]
        return Word(kind, first), at + 1
    if first == "[":
        return _bracket(text, at)
    if first in "'\"":
        return _string(text, at)
    if match := _NAME.match(text, at):
        return _name(match[0]), match.end()
    return _operator(text, at, last)


def _number(text: str, at: int) -> tuple[Word, int]:
    if match := _HEX.match(text, at):
        return Word("NUMERIC", float(int(match[1], 16))), match.end()
    match = _NUMBER.match(text, at)
    digits = match[0] if match else ""
    try:
        return Word("NUMERIC", float(digits)), at + len(digits)
    except ValueError as error:
        raise LangError(f"Unable to parse numeric value '{digits}' to float64\n") from error


def _bracket(text: str, at: int) -> tuple[Word, int]:
    match = _BRACKET.match(text, at)
    if match is None or not match[2]:
        raise LangError("Unclosed parameter bracket")
    return Word("VARIABLE", _unescaped(match[1])), match.end()


def _string(text: str, at: int) -> tuple[Word, int]:
    match = _STRING.match(text, at)
    if match is None or not match[2]:
        raise LangError("Unclosed string literal")
    value = _unescaped(match[1])
    moment = _moment(value)
    word = Word("STRING", value) if moment is None else Word("TIME", moment)
    return word, match.end()


def _moment(text: str) -> float | None:
    """Unix seconds if the text looks like a date: govaluate turns such literals into numbers."""
    if not text[:1].isalnum() or len(text) > 40:
        return None
    for layout in _DATES:
        try:
            found = datetime.strptime(text, layout)  # noqa: DTZ007 - the zone is given below
        except ValueError:
            continue
        if layout == _TIME_ONLY:
            return _YEAR_ZERO + (found - datetime(1900, 1, 1)).total_seconds()  # noqa: DTZ001
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return None


def _name(raw: str) -> Word:
    name = _unescaped(raw)
    if name in ("true", "false"):
        return Word("BOOLEAN", name == "true")
    if name in ("in", "IN"):
        return Word("COMPARATOR", "in")
    if name.endswith("."):
        raise LangError(f"Hanging accessor on token '{name}'")
    for field in name.split(".")[1:]:
        if field[:1] != field[:1].upper():
            raise LangError(f"Unable to access unexported field '{field}' in token '{name}'")
    return Word("VARIABLE", name, accessor="." in name)


def _operator(text: str, at: int, last: str) -> tuple[Word, int]:
    match = _OPERATOR.match(text, at)
    symbol = match[0] if match else text[at]
    end = at + len(symbol)
    if symbol in PREFIXES and "PREFIX" in _MAY_FOLLOW[last]:
        return Word("PREFIX", symbol), end
    for kind, symbols in (
        ("MODIFIER", MODIFIERS), ("LOGICALOP", LOGICAL), ("COMPARATOR", COMPARATORS), ("TERNARY", TERNARY),
    ):  # fmt: skip
        if symbol in symbols:
            return Word(kind, symbol), end
    raise LangError(f"Invalid token: '{symbol}'")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text
