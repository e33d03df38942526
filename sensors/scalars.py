"""Scalars as Go reads them: numbers and booleans in filter values, and what gjson makes of a datum."""

import re
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from sensors.errors import BadSensor

_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|infinity|nan)", re.IGNORECASE | re.ASCII
)
_HEX = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+", re.ASCII)
_UNDERSCORE = re.compile(r"(?<=\d)_(?=\d)")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Datum(Protocol):
    """A value found in a payload: gjson's type name, its text and its Python value."""

    @property
    def type(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def value(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A datum that a template made: always a string."""

    text: str
    type: str = "String"

    @property
    def value(self) -> str:
        return self.text


def parse_float(text: str) -> float:
    """Go's ParseFloat. Raises BadSensor with Go's words."""
    digits = _UNDERSCORE.sub("", text)
    value = _as_number(digits)
    if value is None:
        raise BadSensor(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    if abs(value) == inf and "i" not in text.lower():
        raise BadSensor(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return value


def _as_number(digits: str) -> float | None:
    if _HEX.fullmatch(digits):
        try:
            return float.fromhex(digits)
        except OverflowError:
            return -inf if digits.startswith("-") else inf
    return float(digits) if _FLOAT.fullmatch(digits) else None


def parse_bool(text: str) -> bool:
    """Go's ParseBool. Raises BadSensor with Go's words."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise BadSensor(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def as_bool(found: Datum) -> bool:
    """gjson's Bool(): what cannot be read as a boolean is false."""
    if found.type == "String":
        return found.text.lower() in ("1", "t", "true")
    return found.type == "True" or (found.type == "Number" and found.value != 0)


def as_float(found: Datum) -> float:
    """gjson's Float(): what cannot be read as a number is 0."""
    if found.type == "Number":
        return float(found.value)
    if found.type == "String":
        return _as_number(_UNDERSCORE.sub("", found.text)) or 0.0
    return 1.0 if found.type == "True" else 0.0
