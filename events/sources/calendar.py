"""Event source `calendar`: an event at every tick of a schedule or an interval.

    spec:
      calendar:
        nightly: {schedule: "30 2 * * *", timezone: Europe/Berlin, exclusionDates: ["EXDATE:20261225T000000Z"]}
        often: {interval: 10s}

Payload: `{"eventTime": "2026-07-18 10:00:00 +0200 CEST", "metadata": {…}}`. The time is the one scheduled, also when
the tick comes late. A tick is one event however often it is delivered: its time is its delivery id.
"""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import structlog

from bireme.lang import cron, goduration
from bireme.lang.errors import LangError
from events import fields, gotime
from events.patience import publish_until_durable
from events.ports import BadSourceConfig, EventsError, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

# A wall clock may be set while we wait: look again at least this often.
_LOOK_AGAIN_S = 30.0
_ZONE_PREFIX = re.compile(r"^(?:CRON_)?TZ=\S+\s+")
_EXDATE = re.compile(r"^EXDATE:(.*)$")


class UnreadableTick(EventsError):
    """What was kept of the last tick cannot be understood, so what was missed since cannot be known."""

    blame = "service"


class ConfigMap(fields.Fields, frozen=True, kw_only=True):
    """Upstream's place for the last tick; ours is the database, whatever is named here."""

    name: str = ""
    create_if_not_exist: bool = False


class Catchup(fields.Fields, frozen=True, kw_only=True):
    """Fire at start what was missed since the last tick, reaching back `maxDuration` at most."""

    enabled: bool = False
    max_duration: str = ""


class Persistence(fields.Fields, frozen=True, kw_only=True):
    """Keep the last tick across restarts."""

    catchup: Catchup | None = None
    config_map: ConfigMap | None = None


@sources.register("calendar")
class CalendarSource:
    """Ticks in order, none twice. While the store is away a tick waits; with catch-up none is lost over a restart."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        schedule: str = ""
        interval: str = ""
        exclusion_dates: tuple[str, ...] = ()
        timezone: str = ""
        persistence: Persistence | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._metadata = config.metadata
        self._persistence = config.persistence
        self._ticks = Ticks(config)
        catchup = config.persistence.catchup if config.persistence else None
        self._reach = _reach(catchup)

    async def run(self, publish: Publish) -> None:
        last = await self._beginning()
        self._around.ready()
        while (due := self._ticks.after(last)) is not None:
            await self._wait_until(due)
            await publish_until_durable(publish, [self._event(due)], self._around.clock)
            if self._persistence is not None:
                await self._around.state.save(self._around.place, due.isoformat().encode())
            last = due
        log.warning("calendar_has_no_more_ticks", subject=self._around.place.subject)
        await asyncio.get_running_loop().create_future()

    async def _beginning(self) -> datetime:
        """The moment after which ticks count."""
        now = self._around.clock.now()
        if self._reach is None:
            return now
        kept = await self._around.state.load(self._around.place)
        if kept is None:
            return now
        try:
            last = datetime.fromisoformat(kept.decode())
        except ValueError as error:
            raise UnreadableTick(f"the last tick is kept as {kept!r}, not as a time") from error
        return max(last, now - self._reach)

    async def _wait_until(self, due: datetime) -> None:
        while (left := (due - self._around.clock.now()).total_seconds()) > 0:
            await self._around.clock.sleep(min(left, _LOOK_AGAIN_S))

    def _event(self, due: datetime) -> NewEvent:
        payload: dict[str, object] = {"eventTime": gotime.shown(due.astimezone(self._ticks.zone))}
        if self._metadata:
            payload["metadata"] = self._metadata
        return NewEvent(data=orjson.dumps(payload), dedup=due.astimezone(UTC).isoformat())


class Ticks:
    """When a calendar ticks. Pure: `after` depends on its argument and the config alone."""

    def __init__(self, config: CalendarSource.Config) -> None:
        self.zone = _zone(config.timezone)
        self._timezone = config.timezone
        self._excluded = excluded_days(config.exclusion_dates)
        self._schedule = _schedule(config.schedule)
        self._interval = timedelta(0)
        if not config.schedule:
            self._interval = _interval(config.interval)

    def after(self, moment: datetime) -> datetime | None:
        """The first tick later than `moment` that is not on an excluded day; None when there is none."""
        tick = self._following(moment)
        while tick is not None and self._is_excluded(tick):
            tick = self._following(tick)
        return tick

    def _following(self, moment: datetime) -> datetime | None:
        if self._schedule:
            return cron.next_after(self._schedule, moment.astimezone(self.zone), self._timezone)
        return (moment + self._interval).replace(microsecond=0)

    def _is_excluded(self, tick: datetime) -> bool:
        local = tick.astimezone(self.zone)
        return (local.year, local.month, local.day) in self._excluded


def excluded_days(entries: Sequence[str]) -> frozenset[tuple[int, int, int]]:
    """Whole days: the dates listed by `EXDATE:…` entries, as their UTC stamps say. See `exclusion_dates`."""
    return frozenset((at.year, at.month, at.day) for at in exclusion_dates(entries))


def exclusion_dates(entries: Sequence[str]) -> list[datetime]:
    """The stamps of entries like `EXDATE:20060102T150405Z,20180510T021030Z`; an entry in another form says nothing."""
    found: list[datetime] = []
    for entry in entries:
        match = _EXDATE.match(entry)
        if match is None:
            log.warning("exclusion_date_ignored", entry=entry, expected="EXDATE:20060102T150405Z")
            continue
        for stamp in match.group(1).split(","):
            try:
                found.append(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
            except ValueError as error:
                raise BadSourceConfig(
                    f"exclusionDates: {stamp!r} is not a date like 20060102T150405Z"
                ) from error
    return found


def _schedule(text: str) -> str:
    if not text:
        return ""
    cron_fields = _ZONE_PREFIX.sub("", text).split()
    if len(cron_fields) != 5 or text.startswith("@"):
        raise BadSourceConfig(
            f"schedule: {text!r} has {len(cron_fields)} fields, expected 5: minute hour day month weekday"
        )
    try:
        cron.validate(text)
    except LangError as error:
        raise BadSourceConfig(f"schedule: {error}") from error
    return text


def _interval(text: str) -> timedelta:
    if not text:
        raise BadSourceConfig("must have either schedule or interval: write one of them")
    length = _duration("interval", text)
    if length < timedelta(seconds=1):
        raise BadSourceConfig(f"interval: {text!r} is shorter than a second")
    return length


def _reach(catchup: Catchup | None) -> timedelta | None:
    """How far back catching up goes; None when it is not asked for."""
    if catchup is None or not catchup.enabled:
        return None
    if not catchup.max_duration:
        return timedelta(days=36_500)
    return _duration("persistence.catchup.maxDuration", catchup.max_duration)


def _duration(field: str, text: str) -> timedelta:
    try:
        return goduration.parse(text)
    except LangError as error:
        raise BadSourceConfig(f"{field}: {error}") from error


def _zone(name: str) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSourceConfig(
            f"timezone: {name!r} is not an IANA time zone like Europe/Berlin"
        ) from error
