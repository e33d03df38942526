"""The five fields of a cron text as sets of numbers."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from bireme.lang.errors import LangError

_MONTHS: Final = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True, slots=True)
class Fields:
    """What matches: minutes, hours, days of the month, months, weekdays (0 is Sunday).

    `both` says that a day must match the days of the month and the weekdays; else one of them is enough.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both: bool

    def has_day(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month and in_week) if self.both else (in_month or in_week)


@dataclass(frozen=True, slots=True)
class _Bounds:
    least: int
    most: int
    names: dict[str, int]


_BOUNDS: Final = (
    _Bounds(0, 59, {}),
    _Bounds(0, 23, {}),
    _Bounds(1, 31, {}),
    _Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


def parse_fields(text: str) -> Fields:
    """The fields of `minute hour day month weekday`. Raises LangError with robfig's words."""
    parts = text.split()
    if len(parts) != 5:
        raise LangError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    found = [_field(part, bounds) for part, bounds in zip(parts, _BOUNDS, strict=True)]
    sets = [numbers for numbers, _ in found]
    return Fields(sets[0], sets[1], sets[2], sets[3], sets[4], found[2][1] or found[4][1])


def _field(text: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The numbers of a comma list, and whether it holds a star."""
    numbers: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        more, is_star = _range(part, bounds)
        numbers.update(more)
        star = star or is_star
    return frozenset(numbers), star


def _range(text: str, bounds: _Bounds) -> tuple[range, bool]:
    span, *steps = text.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if star:
        low, high = bounds.least, bounds.most
    elif len(ends) > 2:
        raise LangError(f"too many hyphens: {text}")
    else:
        low, high = _number(ends[0], bounds), _number(ends[-1], bounds)
    if len(steps) > 1:
        raise LangError(f"too many slashes: {text}")
    step = _number(steps[0]) if steps else 1
    if steps and len(ends) == 1:
        high = bounds.most  # N/step means N-max/step
    _check(text, bounds, low, high, step)
    return range(low, high + 1, step), star and step <= 1


def _check(text: str, bounds: _Bounds, low: int, high: int, step: int) -> None:
    if low < bounds.least:
        raise LangError(f"beginning of range ({low}) below minimum ({bounds.least}): {text}")
    if high > bounds.most:
        raise LangError(f"end of range ({high}) above maximum ({bounds.most}): {text}")
    if low > high:
        raise LangError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise LangError(f"step of range should be a positive number: {text}")


def _number(text: str, bounds: _Bounds | None = None) -> int:
    if bounds and text.lower() in bounds.names:
        return bounds.names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        reason = "value out of range" if text.isdigit() else "invalid syntax"
        quoted = f'strconv.Atoi: parsing "{text}": {reason}'
        raise LangError(f"failed to parse int from {text}: {quoted}")
    if int(text) < 0:
        raise LangError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
