"""Finding values in JSON text without decoding it, so that numbers keep their spelling. Lenient, as gjson is."""

import re
from collections.abc import Iterator
from typing import Any, Final

from bireme.lang.errors import LangError

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_TO_BRACKET = re.compile(r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+', re.DOTALL)
_NUMBER = re.compile(r"[^\x00-\x20,\]}]+")
_LITERAL = re.compile("[a-z]+")
_VALUE_START = re.compile(r'["{\[ntfiIN+\-0-9]')
_MEMBER_START = re.compile(r'["}]')
_ITEM_START = re.compile(r'["{\[ntfiIN+\-0-9\]]')
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_SPACE = re.compile(r"[\x00-\x20]*")


def skip_space(text: str, at: int = 0) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def value_end(text: str, at: int) -> int:
    """Where the value that starts at `at` ends."""
    first = text[at]
    if first == '"':
        return _end(_STRING, text, at)
    if first in "{[":
        return _container_end(text, at)
    if first in "tf" or (first == "n" and text[at + 1 : at + 2] == "u"):
        return _end(_LITERAL, text, at)
    return _end(_NUMBER, text, at)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at + 1


def _container_end(text: str, at: int) -> int:
    depth = 0
    while (match := _TO_BRACKET.match(text, at)) and match.end() < len(text):
        at = match.end() + 1
        depth += 1 if text[at - 1] in "{[" else -1
        if depth == 0:
            return at
    return len(text)


def members(text: str) -> Iterator[tuple[str, str]]:
    """Key (as written, with quotes) and value of each member of an object's text."""
    at = 1
    while (start := _MEMBER_START.search(text, at)) and start[0] == '"':
        end = value_end(text, start.start())
        value = _VALUE_START.search(text, end)
        if value is None:
            return
        at = value_end(text, value.start())
        yield text[start.start() : end], text[value.start() : at]


def items(text: str, at: int = 1) -> Iterator[str]:
    """The values of an array's text; with `at` 0, of a text that is one value after the other."""
    while (start := _ITEM_START.search(text, at)) and start[0] != "]":
        at = value_end(text, start.start())
        yield text[start.start() : at]


def unescape(quoted: str) -> str:
    """The text of a JSON string literal."""
    body = quoted[1:-1] if quoted.endswith('"') and len(quoted) > 1 else quoted[1:]
    if "\\" not in body:
        return body

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) == 5:
            return chr(int(code[1:], 16))
        return _ESCAPES.get(code, code)

    plain = _ESCAPE.sub(one, body)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def minify(text: str) -> str:
    """The text without blanks outside of strings."""
    return re.sub(r'("(?:[^"\\]|\\.)*"?)|[\x00-\x20]+', lambda m: m[1] or "", text, flags=re.DOTALL)


def is_valid(text: str) -> bool:
    """Whether the text is one JSON value by the book."""
    import json

    def refuse(constant: str) -> Any:
        raise LangError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except (ValueError, LangError, RecursionError):
        return False
    return True
