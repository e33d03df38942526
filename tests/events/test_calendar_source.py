"""Calendars under a faked clock: a day passes in milliseconds."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bireme.kit.clock import LoopClock
from bireme.kit.ids import CountedIds
from bireme.storage.ports import StorageUnavailable
from events import gotime
from events.fields import decode
from events.ports import BadSourceConfig, NewEvent, Place, Surroundings
from events.sources.calendar import CalendarSource, Ticks

pytestmark = pytest.mark.looptime(start=0)

START = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
PLACE = Place(namespace="default", name="clock", kind="calendar", subject="tick")


class State:
    def __init__(self, kept: bytes | None = None) -> None:
        self.kept = kept

    async def load(self, place: Place) -> bytes | None:
        return self.kept

    async def save(self, place: Place, state: bytes) -> None:
        self.kept = state


def config(**fields: Any) -> Any:
    return decode(CalendarSource.Config, fields, "spec.calendar.tick")


def source(fields: dict[str, Any], state: State | None = None) -> CalendarSource:
    nothing: Any = None
    around = Surroundings(
        place=PLACE,
        clock=LoopClock(START),
        ids=CountedIds(),
        secrets=nothing,
        state=state or State(),
        http=nothing,
    )
    return CalendarSource(config(**fields), around)


async def ticks(running: CalendarSource, count: int, outages: int = 0) -> list[NewEvent]:
    """The first events; the store is away for the first `outages` attempts."""
    seen: list[NewEvent] = []
    enough = asyncio.Event()
    left = outages

    async def publish(events: Sequence[NewEvent]) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise StorageUnavailable("the disk is full")
        seen.extend(events)
        if len(seen) >= count:
            enough.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(running.run(publish))
    done, _ = await asyncio.wait(
        {task, asyncio.ensure_future(enough.wait())}, return_when=asyncio.FIRST_COMPLETED
    )
    task.cancel()
    if task in done:
        task.result()
    return seen


def times(events: Sequence[NewEvent]) -> list[str]:
    return [json.loads(event.data)["eventTime"] for event in events]


async def test_a_schedule_ticks_in_its_timezone_also_over_a_clock_change() -> None:
    nightly = {"schedule": "30 1 * * *", "timezone": "Europe/Berlin"}
    assert times(await ticks(source(nightly), 2)) == [
        "2026-03-29 01:30:00 +0100 CET",
        "2026-03-30 01:30:00 +0200 CEST",
    ]


async def test_a_tick_in_the_hour_that_clocks_skip_does_not_happen() -> None:
    skipped = {"schedule": "30 2 * * *", "timezone": "Europe/Berlin"}
    assert times(await ticks(source(skipped), 1)) == ["2026-03-30 02:30:00 +0200 CEST"]


async def test_an_interval_ticks_from_the_start_on() -> None:
    assert times(await ticks(source({"interval": "90s"}), 2)) == [
        "2026-03-28 12:01:30 +0000 UTC",
        "2026-03-28 12:03:00 +0000 UTC",
    ]


async def test_metadata_is_in_the_payload_and_the_time_is_the_delivery_id() -> None:
    (event,) = await ticks(source({"interval": "1h", "metadata": {"a": "b"}}), 1)
    assert json.loads(event.data)["metadata"] == {"a": "b"}
    assert event.dedup == "2026-03-28T13:00:00+00:00"


async def test_excluded_days_have_no_ticks() -> None:
    daily = {
        "schedule": "0 10 * * *",
        "exclusionDates": ["EXDATE:20260329T000000Z,20260331T235959Z"],
    }
    assert times(await ticks(source(daily), 2)) == [
        "2026-03-30 10:00:00 +0000 UTC",
        "2026-04-01 10:00:00 +0000 UTC",
    ]


async def test_without_persistence_nothing_is_kept() -> None:
    state = State()
    await ticks(source({"interval": "1h"}, state), 2)
    assert state.kept is None


async def test_with_catch_up_missed_ticks_come_first_in_order() -> None:
    state = State(b"2026-03-28T09:00:00+00:00")
    hourly = {"schedule": "0 * * * *", "persistence": {"catchup": {"enabled": True}}}
    assert times(await ticks(source(hourly, state), 4)) == [
        f"2026-03-28 {hour}:00:00 +0000 UTC" for hour in (10, 11, 12, 13)
    ]
    assert state.kept == b"2026-03-28T12:00:00+00:00"


async def test_catch_up_reaches_back_only_so_far() -> None:
    state = State(b"2026-03-01T09:00:00+00:00")
    catchup = {"enabled": True, "maxDuration": "90m"}
    hourly = {"schedule": "0 * * * *", "persistence": {"catchup": catchup}}
    assert times(await ticks(source(hourly, state), 2)) == [
        "2026-03-28 11:00:00 +0000 UTC",
        "2026-03-28 12:00:00 +0000 UTC",
    ]


async def test_persistence_alone_keeps_the_last_tick_but_catches_nothing_up() -> None:
    state = State(b"2026-03-28T09:00:00+00:00")
    hourly = {"schedule": "0 * * * *", "persistence": {"configMap": {"name": "c"}}}
    assert times(await ticks(source(hourly, state), 2)) == [
        "2026-03-28 13:00:00 +0000 UTC",
        "2026-03-28 14:00:00 +0000 UTC",
    ]
    assert state.kept == b"2026-03-28T13:00:00+00:00"


async def test_a_tick_waits_while_the_store_is_away() -> None:
    events = await ticks(source({"interval": "1m"}), 2, outages=5)
    assert times(events) == ["2026-03-28 12:01:00 +0000 UTC", "2026-03-28 12:02:00 +0000 UTC"]


async def test_an_unreadable_last_tick_is_an_error() -> None:
    hourly = {"schedule": "0 * * * *", "persistence": {"catchup": {"enabled": True}}}
    with pytest.raises(Exception, match="kept as b'rubbish', not as a time"):
        await ticks(source(hourly, State(b"rubbish")), 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "either schedule or interval"),
        ({"schedule": "@daily"}, "1 fields, expected 5"),
        ({"schedule": "0 0 * * * *"}, "6 fields, expected 5"),
        ({"schedule": "61 * * * *"}, "schedule: "),
        ({"interval": "soon"}, "interval: "),
        ({"interval": "10ms"}, "shorter than a second"),
        ({"interval": "1h", "timezone": "Mars/Olympus"}, "not an IANA time zone"),
        ({"interval": "1h", "exclusionDates": ["EXDATE:tomorrow"]}, "'tomorrow' is not a date"),
    ],
)
def test_a_config_that_cannot_work_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadSourceConfig, match=words):
        source(fields)


def test_a_schedule_may_name_its_own_zone() -> None:
    tick = Ticks(config(schedule="CRON_TZ=Asia/Tokyo 0 9 * * *")).after(START)
    assert tick == datetime(2026, 3, 29, 0, 0, tzinfo=UTC)


def test_every_tick_is_later_than_the_one_before() -> None:
    schedule = Ticks(config(schedule="*/7 * * * *", timezone="America/New_York"))
    moment, seen = START, []
    for _ in range(200):
        moment = schedule.after(moment) or START
        seen.append(moment)
    assert seen == sorted(set(seen))


def test_times_are_printed_as_go_prints_them() -> None:
    assert (
        gotime.shown(START + timedelta(microseconds=214000)) == "2026-03-28 12:00:00.214 +0000 UTC"
    )
