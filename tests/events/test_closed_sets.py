"""That a data set was told is remembered while anything could tell it again, and no longer."""

from datetime import datetime, timedelta

import pytest

from events.buckets.collecting import Collector
from events.buckets.datasets import Rule
from tests.events.test_buckets_crash import CLOCK, World, change

NOW = CLOCK.now()
KEPT = timedelta(days=30)
DAY = timedelta(days=1)
PAIR = [change("in/7/a", 1), change("in/7/b", 2)]
LYING = [
    change("in/7/a", 1, found_by="listing", sequencer=""),
    change("in/7/b", 2, found_by="listing", sequencer=""),
]


@pytest.fixture
def world() -> World:
    return World(1000, after=True)


async def begun(world: World, *, listed: bool) -> Collector:
    made = Collector(
        world.surroundings(), world.publish, Rule("in/{run}/", count=2), None, listed=listed
    )
    await made.open()
    return made


def marks(world: World) -> list[str]:
    return [name for name in world.facts_ if name.startswith("closed/")]


def told_at(world: World, when: datetime) -> None:
    """As if the set had been closed then."""
    world.facts_["closed/in/7/"] = when.isoformat().encode()


async def test_a_set_that_a_listing_shows_stays_closed_however_old(world: World) -> None:
    await (await begun(world, listed=True)).take(PAIR)
    for _ in range(2):
        taker = await begun(world, listed=True)
        await taker.compare(LYING, NOW + 10 * KEPT, 60)
    assert list(world.events) == ["data set in/7/"]
    assert marks(world) == ["closed/in/7/"]


@pytest.mark.parametrize(("age", "kept"), [(KEPT - DAY, 1), (KEPT + DAY, 0)])
async def test_a_set_that_no_listing_shows_is_forgotten_after_a_month(
    world: World, age: timedelta, kept: int
) -> None:
    taker = await begun(world, listed=True)
    await taker.take(PAIR)
    await taker.compare([], CLOCK.now() + age, None)
    assert len(marks(world)) == kept
    world.events.clear()
    await taker.take([change("in/7/c", 3), change("in/7/d", 4)])
    assert len(world.events) == 1 - kept


async def test_without_listings_age_alone_decides(world: World) -> None:
    told_at(world, NOW - KEPT - DAY)
    taker = await begun(world, listed=False)
    await taker.take([change("in/8/a", 1), change("in/8/b", 2)])
    assert marks(world) == ["closed/in/8/"]


async def test_where_listings_come_none_is_forgotten_before_one_was_looked_at(world: World) -> None:
    told_at(world, NOW - KEPT - DAY)
    taker = await begun(world, listed=True)
    await taker.take([change("in/8/a", 1), change("in/8/b", 2)])
    assert marks(world) == ["closed/in/7/", "closed/in/8/"]


async def test_a_set_that_lay_there_before_us_is_forgotten_once_it_is_gone(world: World) -> None:
    taker = await begun(world, listed=True)
    await taker.begin_with(LYING)
    assert (marks(world), world.events) == (["closed/in/7/"], {})
    await (await begun(world, listed=True)).compare([], NOW + KEPT + DAY, 60)
    assert marks(world) == []


async def test_what_is_left_of_a_set_whose_objects_expired_is_forgotten_too(world: World) -> None:
    taker = await begun(world, listed=True)
    await taker.take([change("in/7/a", 1, "s3:ObjectRemoved:Delete")])
    await taker.compare([], NOW + DAY, 60)
    assert "item/in/7/a" in world.facts_
    await taker.compare([], NOW + KEPT + DAY, 60)
    assert [name for name in world.facts_ if name != "since"] == []
