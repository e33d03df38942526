"""A schedule in words, for people who do not read five fields."""

from collections.abc import Collection, Sequence
from typing import Final

from bireme.lang import cron, goduration
from bireme.lang.cron_fields import Fields

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEK: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_FEW: Final = 6


def words(spec: str) -> str:
    """`30 2 * * 1-5` as `at 02:30, Monday to Friday`. Raises LangError for what is no schedule."""
    schedule = cron.parse(spec)
    if schedule.fields is None:
        nanoseconds = int(schedule.every.total_seconds()) * 1_000_000_000
        return f"every {goduration.text(nanoseconds)}"
    parts = [_times(schedule.fields), *_days(schedule.fields)]
    zone = f" ({schedule.zone})" if schedule.zone is not None else ""
    return ", ".join(parts) + zone


def _times(fields: Fields) -> str:
    minutes, hours = sorted(fields.minutes), sorted(fields.hours)
    if len(minutes) * len(hours) <= _FEW:
        return "at " + _joined([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])
    every_hour = len(hours) == 24
    if step := _step(minutes, 60):
        found = "every minute" if step == 1 else f"every {step} minutes"
        return found if every_hour else f"{found} of the hours {_ranges(hours)}"
    if minutes == [0]:
        step = _step(hours, 24)
        if step:
            return "every hour" if step == 1 else f"every {step} hours"
    minute = f"at minute {_ranges(minutes)}"
    return f"{minute} of every hour" if every_hour else f"{minute} of the hours {_ranges(hours)}"


def _step(numbers: Sequence[int], size: int) -> int:
    """n when the numbers are 0, n, 2n … up to the end; else 0."""
    step = numbers[1] if len(numbers) > 1 else 0
    return step if step and list(numbers) == list(range(0, size, step)) else 0


def _days(fields: Fields) -> list[str]:
    in_month = "" if len(fields.days) == 31 else f"on day {_ranges(fields.days)} of the month"
    in_week = "" if len(fields.weekdays) == 7 else _named(fields.weekdays, _WEEK, 0)
    if in_month and in_week:
        found = [f"{in_month} {'if it is' if fields.both else 'and every'} {in_week}"]
    else:
        found = [part for part in (in_month, in_week) if part]
    if len(fields.months) < 12:
        found.append("in " + _named(fields.months, _MONTHS, 1))
    return found


def _named(numbers: Collection[int], names: Sequence[str], first: int) -> str:
    parts = []
    for low, high in _spans(numbers):
        begin, end = names[low - first], names[high - first]
        parts.append(begin if low == high else f"{begin} to {end}")
    return _joined(parts)


def _ranges(numbers: Collection[int]) -> str:
    return _joined([str(a) if a == b else f"{a} to {b}" for a, b in _spans(numbers)])


def _spans(numbers: Collection[int]) -> list[tuple[int, int]]:
    """Runs of three and more neighbours as one; others by themselves."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    found: list[tuple[int, int]] = []
    for run in runs:
        found += [(run[0], run[-1])] if len(run) > 2 else [(n, n) for n in run]
    return found


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
