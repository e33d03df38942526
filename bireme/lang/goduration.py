"""Go's durations as text: `1h30m`, `1.5s`, and Argo's bare seconds (`10`)."""

import re
from datetime import timedelta
from itertools import pairwise
from typing import Final

from bireme.lang.errors import LangError

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_LIMIT: Final = 1 << 63
MAX_TEXT: Final = 100


def nanoseconds(text: str) -> int:
    """The length of `1h30m` in nanoseconds. Raises LangError with Go's words."""
    if len(text) > MAX_TEXT:
        raise LangError(f"time: a duration of more than {MAX_TEXT} characters is refused")
    body = text[1:] if text[:1] in ("+", "-") and text else text
    sign = -1 if text.startswith("-") else 1
    if body == "0":
        return 0
    total, at = 0, 0
    while at < len(body):
        match = _PART.match(body, at)
        if match is None:
            raise LangError(f'time: invalid duration "{text}"')
        total += _length(match, text)
        at = match.end()
    if not body or total >= _LIMIT:
        raise LangError(f'time: invalid duration "{text}"')
    return sign * total


def _length(match: re.Match[str], text: str) -> int:
    number, unit = match.groups()
    if not unit:
        raise LangError(f'time: missing unit in duration "{text}"')
    if unit not in _UNITS:
        raise LangError(f'time: unknown unit "{unit}" in duration "{text}"')
    whole, _, part = number.partition(".")
    scale = _UNITS[unit]
    return int(whole or "0") * scale + (int(part) * scale // 10 ** len(part) if part else 0)


def parse(text: str) -> timedelta:
    """A length of time from `1h30m`, or from a bare number of seconds."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return _delta(int(text) * 1_000_000_000, text)
    return _delta(nanoseconds(text), text)


def _delta(length: int, text: str) -> timedelta:
    if abs(length) >= _LIMIT:
        raise LangError(f'time: invalid duration "{text}"')
    return timedelta(microseconds=length // 1000)


def text(length: int) -> str:
    """Nanoseconds as Go prints a duration: `1h30m0s`, `1.5s`, `300ms`."""
    if length == 0:
        return "0s"
    sign, rest = ("-", -length) if length < 0 else ("", length)
    if rest < 1_000_000_000:
        unit = "ms" if rest >= 1_000_000 else "µs" if rest >= 1_000 else "ns"
        return f"{sign}{_decimal(rest, _UNITS[unit])}{unit}"
    minutes, seconds = divmod(rest, _UNITS["m"])
    shown = f"{_decimal(seconds, _UNITS['s'])}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        shown = f"{minutes}m{shown}"
        shown = f"{hours}h{shown}" if hours else shown
    return sign + shown


def _decimal(value: int, scale: int) -> str:
    whole, part = divmod(value, scale)
    if not part:
        return str(whole)
    width = len(str(scale)) - 1
    return f"{whole}.{str(part).rjust(width, '0').rstrip('0')}"


_STEPS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def humanize(length: timedelta) -> str:
    """For people: the two largest units that apply (`1 hour 30 minutes`)."""
    seconds = int(length.total_seconds())
    for (unit, size), (lower, lower_size) in pairwise(_STEPS):
        if seconds >= size:
            return f"{_count(seconds // size, unit)} {_count(seconds % size // lower_size, lower)}"
    return _count(seconds, "second")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
