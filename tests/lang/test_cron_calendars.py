"""Schedules in words, days of rest, and a second opinion on the days that match."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bireme.lang import cron, cron_words, holidays
from bireme.lang.errors import LangError
from controller import schedule
from controller.schedule import Timetable

WORDS = {
    "* * * * *": "every minute",
    "*/5 * * * *": "every 5 minutes",
    "*/15 9-17 * * *": "every 15 minutes of the hours 9 to 17",
    "@hourly": "every hour",
    "0 */6 * * *": "at 00:00, 06:00, 12:00 and 18:00",
    "30 2 * * 1-5": "at 02:30, Monday to Friday",
    "5 * * * *": "at minute 5 of every hour",
    "0 0 1,15 * *": "at 00:00, on day 1 and 15 of the month",
    "0 0 13 * 5": "at 00:00, on day 13 of the month and every Friday",
    "CRON_TZ=Europe/Berlin 0 6 * 1,7 0": "at 06:00, Sunday, in January and July (Europe/Berlin)",
    "@every 90m": "every 1h30m0s",
}


@pytest.mark.parametrize(("spec", "expected"), WORDS.items(), ids=WORDS)
def test_a_schedule_is_said_in_words(spec: str, expected: str) -> None:
    assert cron_words.words(spec) == expected


def test_holidays_are_dates_yearly_dates_and_spans() -> None:
    rest = holidays.parse(["2026-04-03  # Good Friday", "", "12-25", "2026-12-28/2027-01-02"])
    wanted = [date(2026, 4, 3), date(2031, 12, 25), date(2026, 12, 28), date(2027, 1, 2)]
    assert [day for day in wanted if day not in rest] == []
    assert date(2026, 12, 27) not in rest
    assert date(2027, 4, 3) not in rest


@pytest.mark.parametrize("line", ["2026-02-30", "13-01", "2026-01-02/2026-01-01", "christmas"])
def test_a_holiday_that_is_no_date_is_named(line: str) -> None:
    with pytest.raises(LangError, match=line):
        holidays.parse([line])


def fired(schedules: tuple[str, ...], rest: list[str], hours: int = 72) -> list[str]:
    table = Timetable(schedules, holidays=holidays.parse(rest))
    start = datetime(2026, 12, 24, tzinfo=UTC)
    found, _ = schedule.times_between(table, start, start + timedelta(hours=hours), 1000)
    return [at.strftime("%d %H:%M") for at in found]


def test_nothing_fires_on_a_holiday_of_the_schedules_own_zone() -> None:
    assert fired(("0 */12 * * *",), ["12-25"]) == ["24 12:00", "26 00:00", "26 12:00", "27 00:00"]
    berlin = ("CRON_TZ=Europe/Berlin 30 */12 * * *",)
    assert fired(berlin, ["12-25"]) == ["24 11:30", "25 23:30", "26 11:30", "26 23:30"]


def test_an_interval_rests_too_and_keeps_its_step() -> None:
    assert fired(("@every 10h",), ["12-25"]) == [
        "24 10:00",
        "24 20:00",
        "26 02:00",
        "26 12:00",
        "26 22:00",
    ]


def test_a_year_of_holidays_never_fires_and_ends() -> None:
    assert fired(("* * * * *",), ["2020-01-01/2040-01-01"]) == []


def test_the_latest_moment_slept_through_is_no_holiday() -> None:
    after, now = datetime(2026, 12, 24, 1, tzinfo=UTC), datetime(2026, 12, 25, 18, tzinfo=UTC)
    for text in ("0 */6 * * *", "@every 6h"):
        table = Timetable((text,), holidays=holidays.parse(["12-25"]))
        found = schedule.latest_due(table, after, now)
        assert found is not None
        assert (found.day, found.hour) == ((24, 18) if text[0] == "0" else (24, 19))


fields = st.tuples(
    *(
        st.one_of(st.just("*"), st.lists(st.integers(low, high), min_size=1, max_size=4).map(
            lambda numbers: ",".join(map(str, sorted(set(numbers)))))
        )
        for low, high in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
    )
)  # fmt: skip


@given(fields, st.integers(946_684_800, 2_208_988_800))
def test_croniter_agrees_where_no_clock_changes(parts: tuple[str, ...], seconds: int) -> None:
    croniter = pytest.importorskip("croniter").croniter
    spec, after = " ".join(parts), datetime.fromtimestamp(seconds, UTC)
    assert cron.next_after(spec, after) == croniter(spec, after).get_next(datetime)
    assert cron.previous_before(spec, after) == croniter(spec, after).get_prev(datetime)


# Not at midnight, nor by half an hour: there robfig, and so we, miss a minute or take one of the day before.
CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "Antarctica/Troll": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "Pacific/Apia": (datetime(2011, 12, 30, 10, tzinfo=UTC),),
}  # fmt: skip
changes = st.sampled_from([(zone, at) for zone, moments in CHANGES.items() for at in moments])
wall = st.tuples(
    st.sampled_from(["0", "30", "*/20", "15,45", "7-59/13"]),
    st.sampled_from(["*", "0", "2", "1-3", "*/5", "23"]),
    st.sampled_from(["*", "1", "28-31", "15,30", "*/2"]),
)


@given(changes, wall, st.integers(-3000, 60))
def test_around_a_clock_change_every_minute_that_matches_is_a_tick(
    change: tuple[str, datetime], parts: tuple[str, str, str], minutes: int
) -> None:
    """Minute by minute: a wall time that is left out has no tick, one that is repeated has two."""
    zone, at = change
    start = at + timedelta(minutes=minutes, seconds=5)
    end = start + timedelta(days=3)
    spec = f"{' '.join(parts)} * *"
    found = []
    tick = cron.next_after(spec, start, zone)
    while tick is not None and tick < end:
        found.append(tick)
        tick = cron.next_after(spec, tick, zone)
    minute, hour, day = parts
    first = start.replace(second=0) + timedelta(minutes=1)
    every = (first + timedelta(minutes=n) for n in range(3 * 24 * 60))
    assert found == [
        moment
        for moment in every
        if moment < end
        and is_in(minute, (local := moment.astimezone(ZoneInfo(zone))).minute, 0, 59)
        and is_in(hour, local.hour, 0, 23)
        and is_in(day, local.day, 1, 31)
    ]


def is_in(field: str, value: int, low: int, high: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (int(first), int(last or first))
        if value in range(begin, end + 1, int(step or 1)):
            return True
    return False
