"""When a cron schedule is due, as robfig/cron (Argo's library) answers.

The field matcher is our own: croniter agreed with robfig on three quarters of the recorded answers only (it fires at
the end of a clock change where robfig skips the time, and takes weekday 7, `L`, `#`, reversed ranges, six fields). With
robfig's steps around croniter's days the answers at clock changes were others still. Tests hold the two equal where
no clock changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from bireme.lang import goduration
from bireme.lang.cron_fields import Fields, parse_fields
from bireme.lang.errors import LangError

_DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS: Final = 5
_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule understood: either fields or a fixed interval; `zone` when the text names one."""

    fields: Fields | None
    every: timedelta
    zone: tzinfo | None


@lru_cache(maxsize=1024)
def parse(spec: str) -> Schedule:
    """The schedule of a text. Raises LangError with robfig's words."""
    if not spec:
        raise LangError("empty spec string")
    zone, rest = _zone_prefix(spec)
    if not rest.startswith("@"):
        return Schedule(parse_fields(rest), timedelta(), zone)
    if rest.startswith("@every "):
        return Schedule(None, _interval(rest), zone)
    if rest not in _DESCRIPTORS:
        raise LangError(f"unrecognized descriptor: {rest}")
    return Schedule(parse_fields(_DESCRIPTORS[rest]), timedelta(), zone)


def _zone_prefix(spec: str) -> tuple[tzinfo | None, str]:
    if not spec.startswith(("TZ=", "CRON_TZ=")):
        return None, spec
    prefix, _, rest = spec.partition(" ")
    return zone_named(prefix.partition("=")[2]), rest.strip()


def zone_named(name: str) -> tzinfo:
    """The zone of an IANA name; an empty name is UTC. Raises LangError."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise LangError(f"provided bad location {name}: unknown time zone {name}") from None


def _interval(text: str) -> timedelta:
    length = goduration.nanoseconds(text.removeprefix("@every "))
    return timedelta(seconds=max(length // 1_000_000_000, 1))


def validate(spec: str, timezone: str | None = None) -> None:
    """Raises LangError when the text is no schedule or the zone is unknown."""
    parse(spec)
    zone_named(timezone or "")


def with_timezone(schedule: str, timezone: str) -> str:
    """The schedule with its zone written in front, as Argo keeps it."""
    return f"CRON_TZ={timezone} {schedule}" if timezone else schedule


def next_after(spec: str, after: datetime, timezone: str | None = None) -> datetime | None:
    """The first time strictly after `after`, in UTC; None when there is none within five years.

    The zone is the one in the text, else `timezone`, else that of `after`. A time that a clock change leaves out is
    not made up for; one that it repeats comes twice.
    """
    schedule = parse(spec)
    zone = _zone(schedule, after, timezone)
    moment = after.astimezone(UTC).replace(microsecond=0)
    if schedule.fields is None:
        return moment + schedule.every
    return _Search(schedule.fields, zone, moment + _SECOND).next()


def local_date(spec: str, moment: datetime) -> date:
    """The day that a moment belongs to where the schedule lives; UTC when its text names no zone."""
    return moment.astimezone(parse(spec).zone or UTC).date()


def midnight(spec: str, moment: datetime, *, days: int = 0) -> datetime:
    """The beginning, in UTC, of the schedule's own day around a moment, or of one so many days later."""
    day = local_date(spec, moment) + timedelta(days=days)
    return from_wall(_wall(day), parse(spec).zone or UTC)


def _zone(schedule: Schedule, moment: datetime, timezone: str | None) -> tzinfo:
    if schedule.zone is not None:
        return schedule.zone
    return zone_named(timezone) if timezone else moment.tzinfo or UTC


class _Search:
    """robfig's search: a moment that is moved up, field by field, until all match. Kept step by step, because its
    behaviour at clock changes is the behaviour of exactly these steps.
    """

    def __init__(self, fields: Fields, zone: tzinfo, start: datetime) -> None:
        self.fields = fields
        self.zone = zone
        self.at = start  # UTC
        self.moved = False
        self.last_year = self.local.year + _YEARS

    @property
    def local(self) -> datetime:
        return self.at.astimezone(self.zone)

    def next(self) -> datetime | None:
        while self.local.year <= self.last_year:
            if self.month() and self.day() and self.hour() and self.minute() and self.second():
                return self.at
        return None

    def start_of(self, local: datetime) -> None:
        """On the first move, what is finer than the field being moved starts at its beginning."""
        if not self.moved:
            self.moved = True
            self.at = from_wall(local, self.zone)

    def month(self) -> bool:
        while self.local.month not in self.fields.months:
            self.start_of(_wall(self.local.date().replace(day=1)))
            local = self.local
            first = (local.replace(day=1) + timedelta(days=32)).date().replace(day=1)
            self.at = from_wall(_wall(first, local), self.zone)
            if self.local.month == 1:
                return False
        return True

    def day(self) -> bool:
        while not self.fields.has_day(self.local.date()):
            self.start_of(_wall(self.local.date()))
            local, was = self.local, self.at
            self.at = from_wall(_wall(local.date() + timedelta(days=1), local), self.zone)
            if self.at <= was:  # the whole day does not exist
                self.at = was + timedelta(days=1)
            hour = self.local.hour
            if hour:  # midnight does not exist that day
                self.at += timedelta(hours=24 - hour if hour > 12 else -hour)
            if self.local.day == 1:
                return False
        return True

    def hour(self) -> bool:
        while self.local.hour not in self.fields.hours:
            self.start_of(self.local.replace(minute=0, second=0, tzinfo=None))
            self.at += _HOUR
            if self.local.hour == 0:
                return False
        return True

    def minute(self) -> bool:
        while self.local.minute not in self.fields.minutes:
            if not self.moved:
                self.moved = True
                self.at = self.at.replace(second=0)
            self.at += timedelta(minutes=1)
            if self.local.minute == 0:
                return False
        return True

    def second(self) -> bool:
        if self.local.second == 0:
            return True
        self.at += timedelta(seconds=60 - self.local.second)
        return False


def _wall(day: date, time: datetime | None = None) -> datetime:
    if time is None:
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - wall time, its zone is kept beside it
    return datetime.combine(day, time.time())


def from_wall(wall: datetime, zone: tzinfo) -> datetime:
    """The moment of a wall time; for one that does not exist or exists twice, the one Go's time.Date picks."""
    plain = wall.replace(tzinfo=UTC, fold=0)
    offset = _offset(plain, zone)
    if offset:
        other = _offset(plain - offset, zone)
        offset = other if other != offset else offset
    return plain - offset


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def previous_before(spec: str, before: datetime, timezone: str | None = None) -> datetime | None:
    """The last time strictly before `before`, in UTC; None when there is none within five years, or for @every."""
    schedule = parse(spec)
    if schedule.fields is None:
        return None
    zone = _zone(schedule, before, timezone)
    limit = before.astimezone(UTC)
    day = limit.astimezone(zone).date()
    for _ in range(366 * _YEARS):
        if schedule.fields.has_day(day) and day.month in schedule.fields.months:
            earlier = [m for m in _moments(schedule.fields, day, zone) if m < limit]
            if earlier:
                return max(earlier)
        day -= timedelta(days=1)
    return None


def _moments(fields: Fields, day: date, zone: tzinfo) -> Iterator[datetime]:
    """The times of one day, those that exist twice twice, those that do not exist not at all."""
    for hour in fields.hours:
        for minute in fields.minutes:
            for fold in (0, 1):
                wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
                moment = wall.astimezone(UTC)
                if moment.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
                    yield moment
