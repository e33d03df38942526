"""An event as filters look at it: parsed at most once, however many sensors ask."""

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from bireme.lang import gjson
from events.model import Event

_SIMPLE = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)
_EXACT = 1 << 53
_UNPARSED: Any = object()


class Found(NamedTuple):
    """What a path leads to: gjson's type name, its text, and its value with every number a float."""

    exists: bool
    type: str
    text: str
    value: Any


class View:
    """One event with its data parsed lazily. Not kept beyond the evaluation of that event."""

    __slots__ = ("_found", "_parsed", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._parsed: Any = None
        self._found: dict[str, Found] = {}

    @property
    def is_empty(self) -> bool:
        return not self.event.data

    @property
    def is_json(self) -> bool:
        """True if the data is one JSON value."""
        if self._parsed is None:
            self._parsed = self._parse()
        return self._parsed is not False

    def find(self, path: str) -> Found:
        """What a gjson path leads to in the data; the data must be JSON."""
        found = self._found.get(path)
        if found is None:
            found = self._quick(path) or self._thorough(path)
            self._found[path] = found
        return found

    def _parse(self) -> Any:
        """A tuple of the decoded value, or of `_UNPARSED` when only a patient parser can read it; False if none can."""
        try:
            return (orjson.loads(self.event.data),)
        except orjson.JSONDecodeError:
            return (_UNPARSED,) if _is_odd_json(self.event.data) else False

    def _quick(self, path: str) -> Found | None:
        """The answer from the decoded value where it is surely gjson's own, else None.

        gjson takes the first of repeated keys, a decoder the last: so each key may stand in the text once only, and
        must not be hidden by an escape. Floats and containers keep their spelling, which only the text has.
        """
        keys = _keys(path)
        data = self.event.data
        if keys is None or b"\\u" in data:
            return None
        value = self._parsed[0] if self._parsed else _UNPARSED
        for key, quoted in keys:
            if type(value) is not dict or key not in value or data.count(quoted) != 1:
                return None
            value = value[key]
        return _scalar(value)

    def _thorough(self, path: str) -> Found:
        found = gjson.get(self.event.data, path)
        if not found.exists:
            return Found(False, "Null", "", None)
        return Found(True, found.type, found.text, found.value)


@lru_cache(maxsize=4096)
def _keys(path: str) -> tuple[tuple[str, bytes], ...] | None:
    """The keys of a path that is nothing but keys, each with its JSON text."""
    if not _SIMPLE.fullmatch(path):
        return None
    return tuple((key, f'"{key}"'.encode()) for key in path.split("."))


def _scalar(value: Any) -> Found | None:
    kind = type(value)
    if kind is str:
        return Found(True, "String", value, value)
    if kind is bool:
        return Found(True, "True", "true", True) if value else Found(True, "False", "false", False)
    if value is None:
        return Found(True, "Null", "", None)
    # Minus zero decodes to zero and would lose its sign.
    if kind is int and value and -_EXACT < value < _EXACT:
        return Found(True, "Number", str(value), float(value))
    return None


def is_json(text: bytes | str) -> bool:
    """True if `text` is one JSON value as Go reads it (numbers of any size, unpaired surrogates allowed)."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return _is_odd_json(text)
    return True


def _is_odd_json(text: bytes | str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
