"""Plain YAML scalars as Go's reader understands them (sigs.k8s.io/yaml): what Argo's users are used to."""

import math
import re
from decimal import Decimal
from typing import Any

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    # A lone y or n stays text, which is what the people who write it mean.
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)")
_SPECIAL = {
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def resolve(text: str) -> Any:
    """The value of an unquoted scalar: null, bool, int, float, else the text itself (dates and `1:30` stay text)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    return _number(text)


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        value = _integer(plain)
        if value is not None:
            return value
    if _FLOAT.fullmatch(plain):
        return float(plain)
    return _SPECIAL.get(text, text)


def _integer(text: str) -> int | None:
    """None for what only looks like one (`08`) or does not fit 64 bits."""
    digits = text.lstrip("+-")
    try:
        legacy_octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
        value = int(digits, 8 if legacy_octal else 0)
    except ValueError:
        return None
    value = -value if text.startswith("-") else value
    return value if -(2**63) <= value < 2**64 else None


def number_text(value: float) -> str:
    """A number as Go prints a float: no exponent, the fewest digits (1.0 -> `1`, 1e3 -> `1000`, 0.20 -> `0.2`)."""
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").removesuffix(".") if "." in text else text
