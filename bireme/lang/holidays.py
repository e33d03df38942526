"""Days on which a schedule rests: single dates, dates of every year, spans."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from bireme.lang.errors import LangError

_EXPECTED: Final = (
    "expected 2026-12-25, 12-25 for every year, or a span such as 2026-12-24/2027-01-01"
)
_LEAP_YEAR: Final = 2024


@dataclass(frozen=True, slots=True)
class Holidays:
    """A calendar understood. Dates are local to the schedule they belong to."""

    days: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    spans: tuple[tuple[date, date], ...] = ()

    def __contains__(self, day: date) -> bool:
        if day in self.days or (day.month, day.day) in self.yearly:
            return True
        return any(first <= day <= last for first, last in self.spans)


def parse(lines: Iterable[str]) -> Holidays:
    """One date or span a line; `#` begins a comment. Raises LangError naming the line that is neither."""
    days: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    spans: list[tuple[date, date]] = []
    for line in lines:
        text = line.partition("#")[0].strip()
        first, slash, last = text.partition("/")
        if slash:
            spans.append(_span(first, last, text))
        elif len(text) == len("12-25"):
            day = _date(f"{_LEAP_YEAR}-{text}", text)
            yearly.add((day.month, day.day))
        elif text:
            days.add(_date(text, text))
    return Holidays(frozenset(days), frozenset(yearly), tuple(spans))


def _span(first: str, last: str, text: str) -> tuple[date, date]:
    span = _date(first.strip(), text), _date(last.strip(), text)
    if span[0] > span[1]:
        raise LangError(f"holiday '{text}' ends before it begins")
    return span


def _date(text: str, shown: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LangError(f"holiday '{shown}' is no date: {_EXPECTED}") from None
