"""When a CronWorkflow fires: pure arithmetic over its spec, what is remembered of it, and `now`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final, Literal

import msgspec

import bireme.lang.cron as cron_times
from bireme.lang.holidays import Holidays

ConcurrencyPolicy = Literal["Allow", "Forbid", "Replace"]


class CronState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is remembered of a CronWorkflow between firings and restarts. Times are seconds since the epoch.

    `suspend` is the last word of an operator; it holds until a manifest with another `spec.suspend` is applied
    (`manifest_suspend` is what that manifest said).
    """

    last_scheduled: float | None = None
    schedule_text: str = ""
    succeeded: int = 0
    failed: int = 0
    stopped: bool = False
    suspend: bool = False
    manifest_suspend: bool = False
    spec_error: str = ""
    submission_error: str = ""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The parts of a CronWorkflow's spec that say when."""

    schedules: tuple[str, ...]
    starting_deadline: timedelta | None = None
    holidays: Holidays | None = None

    @property
    def text(self) -> str:
        """All schedules in one line; a change of it switches catch-up off once."""
        return ",".join(self.schedules)


def timetable(spec: Mapping[str, Any], holidays: Holidays | None = None) -> Timetable:
    """Reads `schedules` (or the older `schedule`), `timezone` and `startingDeadlineSeconds`."""
    texts = spec.get("schedules") or ([spec["schedule"]] if spec.get("schedule") else [])
    seconds = spec.get("startingDeadlineSeconds")
    return Timetable(
        schedules=tuple(with_timezone(texts, spec.get("timezone") or "")),
        starting_deadline=None if seconds is None else timedelta(seconds=int(seconds)),
        holidays=holidays,
    )


def with_timezone(schedules: Sequence[str], timezone: str) -> list[str]:
    """Each schedule with its zone in front, as robfig's parser reads it."""
    return [f"CRON_TZ={timezone} {text}" if timezone and text else text for text in schedules]


def next_time(table: Timetable, after: datetime) -> datetime | None:
    """The first moment after `after` at which any schedule fires."""
    times = [_next(text, after, table.holidays) for text in table.schedules]
    return min((time for time in times if time is not None), default=None)


def next_times(table: Timetable, after: datetime, count: int) -> list[datetime]:
    """The next `count` firing times; schedules that meet in one moment fire once."""
    found: list[datetime] = []
    while len(found) < count and (after := next_time(table, after)) is not None:  # type: ignore[assignment]
        found.append(after)
    return found


def latest_due(table: Timetable, after: datetime, now: datetime) -> datetime | None:
    """The newest firing time in (after, now]: however many were slept through, one run makes up for them."""
    times = [_latest(text, after, now, table.holidays) for text in table.schedules]
    return max((time for time in times if time is not None), default=None)


def missed(table: Timetable, state: CronState, now: datetime) -> datetime | None:
    """The firing to make up for after a restart, if any.

    Only where `startingDeadlineSeconds` still allows it, something was scheduled before, and the schedule is the same.
    """
    if state.last_scheduled is None or table.starting_deadline is None:
        return None
    if state.schedule_text and state.schedule_text != table.text:
        return None
    last = datetime.fromtimestamp(state.last_scheduled, now.tzinfo)
    due = latest_due(table, last, now)
    return due if due is not None and now < due + table.starting_deadline else None


def times_between(
    table: Timetable, start: datetime, end: datetime, most: int
) -> tuple[list[datetime], bool]:
    """The firing times in (start, end], at most `most` of them, and whether there would be more."""
    found: list[datetime] = []
    at = next_time(table, start)
    while at is not None and at <= end:
        if len(found) == most:
            return found, True
        found.append(at)
        at = next_time(table, at)
    return found, False


_REST: Final = 366 * 5
"""Days of rest in a row after which a schedule counts as one that never fires."""


def _next(text: str, after: datetime, holidays: Holidays | None) -> datetime | None:
    for _ in range(_REST):
        found = cron_times.next_after(text, after, "UTC")
        if found is None or not _rests(text, found, holidays):
            return found
        after = _before(text, found, cron_times.midnight(text, found, days=1))
    return None


def _rests(text: str, at: datetime, holidays: Holidays | None) -> bool:
    return holidays is not None and cron_times.local_date(text, at) in holidays


def _before(text: str, found: datetime, moment: datetime) -> datetime:
    """The last moment before `moment` from which to go on: an interval goes on in its own steps."""
    every = cron_times.parse(text).every
    steps = -((found - moment) // every) - 1 if every else 0
    return found + steps * every if every else moment - timedelta(seconds=1)


def _latest(
    text: str, after: datetime, now: datetime, holidays: Holidays | None
) -> datetime | None:
    first = _next(text, after, holidays)
    if first is None or first > now:
        return None
    limit = now + timedelta(microseconds=1)
    for _ in range(_REST):
        last = cron_times.previous_before(text, limit, "UTC")
        if last is None:
            return _nth(text, first, now, holidays)
        if last < first or not _rests(text, last, holidays):
            return max(first, last)
        limit = cron_times.midnight(text, last)
    return first


def _nth(text: str, first: datetime, now: datetime, holidays: Holidays | None) -> datetime:
    """The latest of `@every`, which has no moments of its own: they are counted from the one before."""
    every = cron_times.parse(text).every
    if not every:
        return first
    last = first + (now - first) // every * every
    tries = (last - step * every for step in count())
    return next(at for at in tries if at <= first or not _rests(text, at, holidays))


def history_limit(spec: Mapping[str, Any], field: str, default: int) -> int:
    """A history limit; absent or negative means Argo's default."""
    limit = spec.get(field)
    return default if limit is None or int(limit) < 0 else int(limit)


def surplus(finished: Sequence[tuple[str, str]], spec: Mapping[str, Any]) -> list[str]:
    """Which of `(uid, phase)`, newest first, exceed the history limits; Failed and Error share one."""
    room = {
        True: history_limit(spec, "successfulJobsHistoryLimit", 3),
        False: history_limit(spec, "failedJobsHistoryLimit", 1),
    }
    extra = []
    for uid, phase in finished:
        succeeded = phase == "Succeeded"
        room[succeeded] -= 1
        if room[succeeded] < 0:
            extra.append(uid)
    return extra
