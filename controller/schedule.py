"""When a CronWorkflow fires: pure arithmetic over its spec, what is remembered of it, and `now`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

import bireme.lang.cron as cron_times

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

    @property
    def text(self) -> str:
        """All schedules in one line; a change of it switches catch-up off once."""
        return ",".join(self.schedules)


def timetable(spec: Mapping[str, Any]) -> Timetable:
    """Reads `schedules` (or the older `schedule`), `timezone` and `startingDeadlineSeconds`."""
    texts = spec.get("schedules") or ([spec["schedule"]] if spec.get("schedule") else [])
    seconds = spec.get("startingDeadlineSeconds")
    return Timetable(
        schedules=tuple(with_timezone(texts, spec.get("timezone") or "")),
        starting_deadline=None if seconds is None else timedelta(seconds=int(seconds)),
    )


def with_timezone(schedules: Sequence[str], timezone: str) -> list[str]:
    """Each schedule with its zone in front, as robfig's parser reads it."""
    return [f"CRON_TZ={timezone} {text}" if timezone and text else text for text in schedules]


def next_time(table: Timetable, after: datetime) -> datetime | None:
    """The first moment after `after` at which any schedule fires."""
    times = [_next(text, after) for text in table.schedules]
    return min((time for time in times if time is not None), default=None)


def next_times(table: Timetable, after: datetime, count: int) -> list[datetime]:
    """The next `count` firing times; schedules that meet in one moment fire once."""
    found: list[datetime] = []
    while len(found) < count and (after := next_time(table, after)) is not None:  # type: ignore[assignment]
        found.append(after)
    return found


def latest_due(table: Timetable, after: datetime, now: datetime) -> datetime | None:
    """The newest firing time in (after, now]: however many were slept through, one run makes up for them."""
    times = [_latest(text, after, now) for text in table.schedules]
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


def _next(text: str, after: datetime) -> datetime | None:
    return cron_times.next_after(text, after, "UTC")


def _latest(text: str, after: datetime, now: datetime) -> datetime | None:
    first = _next(text, after)
    if first is None or first > now:
        return None
    last = cron_times.previous_before(text, now + timedelta(microseconds=1), "UTC")
    return _nth(text, first, now) if last is None else max(first, last)


def _nth(text: str, first: datetime, now: datetime) -> datetime:
    """The latest of `@every`, which has no moments of its own: they are counted from the one before."""
    second = _next(text, first)
    return first if second is None else first + (now - first) // (second - first) * (second - first)


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
