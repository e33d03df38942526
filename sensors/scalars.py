"""Scalars as Go reads them: numbers, booleans, regular expressions and template output in filter values."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from bireme.lang import gotemplate
from sensors.errors import BadSensor

_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|infinity|nan)", re.IGNORECASE | re.ASCII
)
_HEX = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+", re.ASCII)
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
    if _HEX.fullmatch(text):
        return float.fromhex(text)
    if not _FLOAT.fullmatch(text):
        raise BadSensor(f'strconv.ParseFloat: parsing "{text}": invalid syntax')
    value = float(text)
    if abs(value) == float("inf") and "i" not in text.lower():
        raise BadSensor(f'strconv.ParseFloat: parsing "{text}": value out of range')
    return value


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
        try:
            return parse_float(found.text)
        except BadSensor:
            return 0.0
    return 1.0 if found.type == "True" else 0.0


def render(template: str, text: str) -> str:
    """A filter's template over the datum's text. Raises BadSensor when nothing comes out."""
    output = gotemplate.render(template, {"Input": text})
    if output in ("", "<no value>"):
        raise BadSensor(f"template evaluated to empty string or no value: {template}")
    return output


_ESCAPES = {"z": r"\Z", "C": r"(?s:.)"}
_UNSUPPORTED = re.compile(r"\(\?(?:=|!|<=|<!|>|#|P=|P>|\()")
_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_PIECE = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.|\[:\^?\w+:\]|\(\?<(?=[A-Za-z_])|\$|.", re.DOTALL)


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """A regular expression in RE2's syntax. Raises BadSensor for what RE2 refuses or Python cannot do."""
    if found := _UNSUPPORTED.search(text):
        raise BadSensor(f"error parsing regexp: invalid or unsupported Perl syntax: `{found[0]}`")
    multiline = re.search(r"\(\?[a-zA-Z]*m", text) is not None
    try:
        return re.compile("".join(_translated(text, multiline)), re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadSensor(f"error parsing regexp: {error}: `{text}`") from error


def _translated(text: str, multiline: bool) -> list[str]:
    pieces, in_class = [], False
    for piece in _PIECE.findall(text):
        if piece == "[" and not in_class:
            in_class = True
        elif piece == "]":
            in_class = False
        pieces.append(_piece(piece, in_class, multiline))
    return pieces


def _piece(piece: str, in_class: bool, multiline: bool) -> str:
    if piece.startswith("\\Q"):
        return re.escape(piece[2:].removesuffix("\\E"))
    if piece.startswith("\\"):
        return _escape(piece)
    if piece.startswith("[:"):
        return _CLASSES.get(piece.strip("[:]"), piece)
    if piece == "(?<":
        return "(?P<"
    return r"\Z" if piece == "$" and not in_class and not multiline else piece


def _escape(piece: str) -> str:
    if piece[1] in "123456789":
        raise BadSensor(f"error parsing regexp: invalid escape sequence: `{piece}`")
    return _ESCAPES.get(piece[1], piece)
