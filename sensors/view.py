"""An event as filters and parameters look at it: parsed at most once, however many sensors ask."""

import json
from typing import Any

import orjson

from bireme.lang import gjson
from events.model import Event


class View:
    """One event with its data parsed lazily. Not kept beyond the evaluation of that event."""

    __slots__ = ("_found", "_json", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._json: bool | None = None
        self._found: dict[str, gjson.Result] = {}

    @property
    def is_empty(self) -> bool:
        return not self.event.data

    @property
    def is_json(self) -> bool:
        """True if the data is one JSON value."""
        if self._json is None:
            self._json = is_json(self.event.data)
        return self._json

    def find(self, path: str) -> gjson.Result:
        """What a gjson path leads to in the data; the data must be JSON."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = gjson.get(self.event.data, path)
        return found


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
