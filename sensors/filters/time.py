"""The `time` filter: the event's own time of day lies between `start` and `stop`.

    filters:
      time: {start: "22:00:00", stop: "06:00:00", timezone: Europe/Berlin}

The interval is half open and may wrap over midnight. The day is the event's, in UTC or in `timezone`.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from sensors.combine import reason
from sensors.errors import BadSensor
from sensors.model import Check, Verdict
from sensors.registry import filters
from sensors.view import View

_HOUR = re.compile(r"(\d{1,2})(.*)", re.DOTALL)
_PART = re.compile(r":(\d\d)(.*)", re.DOTALL)
_FRACTION = re.compile(r"[.,](\d+)(.*)", re.DOTALL)


class Config(msgspec.Struct, frozen=True):
    """Argo's TimeFilter."""

    start: str
    stop: str
    timezone: str = ""


@filters.register("time")
class TimeFilter:
    """Passes events of a time of day."""

    def __init__(self, config: Any, operator: str) -> None:
        self.config = msgspec.convert(config, Config, strict=False)

    def verdict(self, view: View) -> Verdict:
        at, config = view.event.time, self.config
        try:
            start = time_of_day(config.start, at, config.timezone)
            stop = time_of_day(config.stop, at, config.timezone)
        except BadSensor as error:
            text = f"time filter error ({error})"
            return Verdict(False, text, text, "time")
        passed = start <= at < stop if start < stop else at >= start or at < stop
        wanted = f"{config.start} to {config.stop} {config.timezone or 'UTC'}"
        check = Check("time", passed, "event time", at.isoformat(), wanted)
        return Verdict(passed, "", "" if passed else reason(check), "time", (check,))


def time_of_day(text: str, base: datetime, timezone: str) -> datetime:
    """`text` (`HH:MM:SS`) on the day of `base` in `timezone`. Raises BadSensor with Go's words."""
    zone = _zone(timezone)
    day = base.astimezone(zone).date()
    naive = datetime(day.year, day.month, day.day) + _since_midnight(text, day.isoformat())  # noqa: DTZ001
    return _in_zone(naive, zone)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    try:
        return _local() if name == "Local" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSensor(f"invalid timezone '{name}': unknown time zone {name}") from error


def _local() -> tzinfo:
    return datetime.fromtimestamp(0, UTC).astimezone().tzinfo or UTC


def _in_zone(naive: datetime, zone: tzinfo) -> datetime:
    """Go's choice where the clock jumps: the offset in force at the moment the first guess points to."""
    as_utc = naive.replace(tzinfo=UTC)
    guess = as_utc - _offset(as_utc, zone)
    return as_utc - _offset(guess, zone)


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _since_midnight(text: str, day: str) -> timedelta:
    whole = f'parsing time "{day} {text}"'
    values = []
    rest = text
    for pattern, limit, name, layout in (
        (_HOUR, 24, "hour", "15"), (_PART, 60, "minute", "04"), (_PART, 60, "second", "05"),
    ):  # fmt: skip
        match = pattern.match(rest)
        if match is None:
            raise BadSensor(f'{whole} as "2006-01-02 15:04:05": {_cannot(rest, layout)}')
        if int(match[1]) >= limit:
            raise BadSensor(f"{whole}: {name} out of range")
        values.append(int(match[1]))
        rest = match[2]
    micros, rest = _fraction(rest)
    if rest:
        raise BadSensor(f'{whole}: extra text: "{rest}"')
    return timedelta(hours=values[0], minutes=values[1], seconds=values[2], microseconds=micros)


def _cannot(rest: str, layout: str) -> str:
    if layout != "15" and not rest.startswith(":"):
        return f'cannot parse "{rest}" as ":"'
    return f'cannot parse "{rest.removeprefix(":")}" as "{layout}"'


def _fraction(rest: str) -> tuple[int, str]:
    match = _FRACTION.match(rest)
    return (int(match[1][:6].ljust(6, "0")), match[2]) if match else (0, rest)
