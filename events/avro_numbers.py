"""Floating numbers as Go's `strconv` writes them in their shortest form (format `g`): `2`, `0.1`, `1e+06`. Pure."""

import math
import struct
from decimal import Decimal

from events.ports import EventsError

_EXPONENT_BELOW, _EXPONENT_FROM = -4, 6


class Unreadable(EventsError):
    """These bytes are no value of the schema, or one that JSON cannot say."""


def double_text(value: float) -> bytes:
    return _text(value, repr(value))


def float_text(value: float) -> bytes:
    """Of 32 bits: the fewest digits that mean this number among them."""
    return _text(value, _shortest(value) if math.isfinite(value) else "")


def _shortest(value: float) -> str:
    for digits in range(9):
        text = f"{value:.{digits}e}"
        try:
            if struct.pack("<f", float(text)) == struct.pack("<f", value):
                break
        except OverflowError:  # rounded up beyond the largest
            continue
    return text


def _text(value: float, shortest: str) -> bytes:
    """Upstream's word for what is infinite, `1e999`, is read by nobody."""
    if math.isnan(value):
        return b"null"
    if math.isinf(value):
        raise Unreadable("a number is infinite")
    if not value:
        return b"-0" if math.copysign(1, value) < 0 else b"0"
    return _written(Decimal(shortest).normalize()).encode()


def _written(number: Decimal) -> str:
    exponent = number.adjusted()
    if _EXPONENT_BELOW <= exponent < _EXPONENT_FROM:
        return f"{number:f}"
    digits = "".join(map(str, number.as_tuple().digits))
    mantissa = f"{digits[0]}.{digits[1:]}".rstrip(".")
    signs = "-" if number < 0 else "", "-" if exponent < 0 else "+"
    return f"{signs[0]}{mantissa}e{signs[1]}{abs(exponent):02d}"
