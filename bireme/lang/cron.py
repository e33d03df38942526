"""Schedules as Argo reads them: five fields, `@daily` and the like, `@every 5m`, `CRON_TZ=` in front.

The matching of wall-clock fields is croniter's. Around it stands what the schedules of Argo's library mean otherwise:
its strict grammar, and its idea of daylight saving time: a wall-clock time that a day does not have is skipped, one
that a day has twice matches twice.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bireme.lang import goduration
from bireme.lang.errors import LangError

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    name: i + 1
    for i, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
}
_DAYS = {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_YEARS = 5
_WINDOW = timedelta(hours=2)
"""How far wall clocks are looked at around a moment: more than daylight saving shifts any zone."""


class Schedule(NamedTuple):
    """A parsed text: either `every` or `fields` (as croniter takes them), and the zone the text itself names."""

    every: timedelta | None
    fields: str
    day_or: bool
    zone: str | None


def validate(spec: str, timezone: str | None = None) -> None:
    """Raises LangError when the text is no schedule or the zone is unknown."""
    schedule = parse(spec)
    _zone(schedule.zone or timezone)


def next_after(spec: str, after: datetime, timezone: str | None = None) -> datetime | None:
    """The first tick strictly after, in UTC; None when there is none within five years. Raises LangError."""
    schedule = parse(spec)
    if schedule.every is not None:
        return after.astimezone(UTC).replace(microsecond=0) + schedule.every
    zone = _zone(schedule.zone or timezone)
    return next(_ticks(schedule, after, zone), None)


def previous_before(spec: str, before: datetime, timezone: str | None = None) -> datetime | None:
    """The last tick strictly before, in UTC; None when there is none within five years. Raises LangError."""
    schedule = parse(spec)
    if schedule.every is not None:
        return before.astimezone(UTC).replace(microsecond=0) - schedule.every
    zone = _zone(schedule.zone or timezone)
    earliest = before - timedelta(days=366 * _YEARS)
    walls = _walls(schedule, _wall(before, zone) + _WINDOW, backwards=True)
    found: datetime | None = None
    for wall in walls:
        if found is not None and wall < _wall(found, zone) - _WINDOW:
            return found
        if wall < _wall(earliest, zone):
            return found
        past = [moment for moment in _moments(wall, zone) if moment < before]
        found = max([*past, *([found] if found else [])], default=None)
    return found


def _ticks(schedule: Schedule, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Ticks after a moment, in order, for about five years."""
    last = after.year + _YEARS
    pending: list[datetime] = []
    for wall in _walls(schedule, _wall(after, zone) - _WINDOW):
        while pending and _wall(pending[0], zone) < wall - _WINDOW:
            yield pending.pop(0)
        if wall.year > last:
            break
        pending = sorted({*pending, *(m for m in _moments(wall, zone) if m > after)})
        if pending and wall > _wall(pending[0], zone) + _WINDOW:
            yield pending.pop(0)
    yield from pending


def _walls(schedule: Schedule, start: datetime, *, backwards: bool = False) -> Iterator[datetime]:
    """Wall-clock times that match, from `start` on, without a zone."""
    from croniter import CroniterBadDateError, croniter

    walk: Any = croniter(schedule.fields, start, day_or=schedule.day_or)
    move = walk.get_prev if backwards else walk.get_next
    try:
        while True:
            yield move(datetime)
    except CroniterBadDateError:
        return


def _moments(wall: datetime, zone: tzinfo) -> list[datetime]:
    """The moments at which clocks of the zone show `wall`: none, one or two."""
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(moment for moment in both if _wall(moment, zone) == wall)


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=256)
def _zone(name: str | None) -> tzinfo:
    if not name or name in ("UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise LangError(f"unknown time zone {name}") from error


@lru_cache(maxsize=1024)
def parse(spec: str) -> Schedule:
    """The schedule a text means. Raises LangError that says which part cannot be."""
    zone, text = None, spec.strip()
    if not spec:
        raise LangError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        head, _, text = text.partition(" ")
        zone, text = head.partition("=")[2], text.strip()
    if text.startswith("@every "):
        return Schedule(_every(text.removeprefix("@every ")), "", True, zone)
    if text.startswith("@"):
        if text not in _NAMED:
            raise LangError(f"unrecognized descriptor: {text}")
        text = _NAMED[text]
    return _parse_fields(text, zone)


def _every(text: str) -> timedelta:
    try:
        length = goduration.nanoseconds(text)
    except LangError as error:
        raise LangError(f"failed to parse duration @every {text}: {error}") from error
    return max(timedelta(seconds=length // 1_000_000_000), timedelta(seconds=1))


def _parse_fields(text: str, zone: str | None) -> Schedule:
    fields = text.split()
    if len(fields) != 5:
        raise LangError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    sets = [_field(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    stars = [any(_is_star(part) for part in field.split(",")) for field in (fields[2], fields[4])]
    plain = [
        "*" if len(values) == high - low + 1 else ",".join(map(str, sorted(values)))
        for values, (low, high, _) in zip(sets, _FIELDS, strict=True)
    ]
    return Schedule(None, " ".join(plain), not any(stars), zone)


def _is_star(part: str) -> bool:
    """Whether the part leaves its field open: a step above one closes it."""
    span, _, step = part.partition("/")
    return span in ("*", "?") and step in ("", "1")


def _field(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    values: set[int] = set()
    for part in filter(None, text.split(",")):
        values |= _range(part, low, high, names)
    return values


def _range(part: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    span, *steps = part.split("/")
    if len(steps) > 1:
        raise LangError(f"too many slashes: {part}")
    ends = span.split("-")
    if len(ends) > 2:
        raise LangError(f"too many hyphens: {part}")
    if ends[0] in ("*", "?"):
        first, last = low, high
    else:
        first = _number(ends[0], names)
        last = _number(ends[1], names) if len(ends) == 2 else (high if steps else first)
    step = _number(steps[0], {}) if steps else 1
    _check(part, (first, last, step), low, high)
    return set(range(first, last + 1, step))


def _check(part: str, given: tuple[int, int, int], low: int, high: int) -> None:
    first, last, step = given
    if first < low:
        raise LangError(f"beginning of range ({first}) below minimum ({low}): {part}")
    if last > high:
        raise LangError(f"end of range ({last}) above maximum ({high}): {part}")
    if first > last:
        raise LangError(f"beginning of range ({first}) beyond end of range ({last}): {part}")
    if step == 0:
        raise LangError(f"step of range should be a positive number: {part}")


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"\+?\d+", text):
        kind = "negative number" if re.fullmatch(r"-\d+", text) else "failed to parse int from"
        raise LangError(f"{kind} {text}")
    return int(text)
