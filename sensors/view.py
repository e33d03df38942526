"""An event as filters look at it: parsed at most once, however many sensors ask."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from bireme.lang import gjson
from bireme.lang.script import NO_SCRIPTS, Program, ScriptError, Scripts
from events.model import Event
from sensors.errors import BadSensor

_SIMPLE = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)
_EXACT = 1 << 53
_UNPARSED: Any = object()
_GO_KINDS = {b"[": "array", b'"': "string", b"t": "bool", b"f": "bool"}


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a path leads to: gjson's type name, its text, and its value with every number a float."""

    exists: bool
    type: str
    text: str
    value: Any


class View:
    """One event with its data parsed lazily, and the programs that may be asked about it.

    Not kept beyond the evaluation of that event.
    """

    __slots__ = ("_answers", "_changed", "_found", "_is_json", "_value", "event", "scripts")

    def __init__(self, event: Event, scripts: Scripts = NO_SCRIPTS) -> None:
        self.event = event
        self.scripts = scripts
        self._is_json: bool | None = None
        self._value: Any = _UNPARSED
        self._found: dict[str, Found] = {}
        self._answers: dict[Program, bytes | ScriptError] | None = None
        self._changed: dict[Program, View] | None = None

    @property
    def is_empty(self) -> bool:
        return not self.event.data

    @property
    def is_json(self) -> bool:
        """True if the data is one JSON value."""
        if self._is_json is None:
            self._is_json = self._parse()
        return self._is_json

    def find(self, path: str) -> Found:
        """What a gjson path leads to in the data; the data must be JSON."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = self._quick(path) or self._thorough(path)
        return found

    def run(self, program: Program) -> bytes:
        """What `program` makes of the data, which must be a JSON object or null; it runs at most once.

        Raises BadSensor for other data, ScriptError for what the program does wrong.
        """
        if self._answers is None:
            self._answers = {}
        answer = self._answers.get(program)
        if answer is None:
            self._require_object()
            try:
                answer = self.scripts.run(program, self.event.data)
            except ScriptError as error:
                answer = error
            self._answers[program] = answer
        if isinstance(answer, ScriptError):
            raise answer
        return answer

    def changed(self, program: Program, finish: Callable[[bytes], bytes]) -> "View":
        """The same event with the program's answer, finished, as its data; made at most once."""
        if self._changed is None:
            self._changed = {}
        found = self._changed.get(program)
        if found is None:
            event = msgspec.structs.replace(self.event, data=finish(self.run(program)))
            found = self._changed[program] = View(event, self.scripts)
        return found

    def _require_object(self) -> None:
        """Raises BadSensor with Go's words for data that does not decode to an object."""
        start = self.event.data.lstrip()[:1]
        if not self.is_json:
            text = "unexpected end of JSON input" if start in b"{[" else "event data not valid JSON"
            raise BadSensor(text)
        if start not in b"{n":
            kind = _GO_KINDS.get(start, "number")
            raise BadSensor(
                f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            )

    def _parse(self) -> bool:
        """Decode the data. The value stays `_UNPARSED` when it is no guide to what gjson finds in the text."""
        data = self.event.data
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            return _is_odd_json(data)
        if data.find(b"\\u") < 0:  # an escape may hide a key
            self._value = value
        return True

    def _quick(self, path: str) -> Found | None:
        """The answer from the decoded value where it is surely gjson's own, else None.

        gjson takes the first of repeated keys, a decoder the last: so each key may stand in the text once only, and
        must not be hidden by an escape. Floats and containers keep their spelling, which only the text has.
        """
        keys = _keys(path)
        data = self.event.data
        if keys is None:
            return None
        value = self._value
        for key, quoted in keys:
            if type(value) is not dict or key not in value or data.count(quoted) != 1:
                return None
            value = value[key]
        return Found(True, "String", value, value) if type(value) is str else _scalar(value)

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
    """What is found when the value is no string."""
    kind = type(value)
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
