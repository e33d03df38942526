"""A source's memory: places that move in the commit of the events, and only from where they were left."""

import pytest

from bireme.storage.ports import Database
from events.ports import Overtaken, Place
from events.state import StoredState

PLACE = Place("default", "hooks", "kafka", "orders")


@pytest.fixture
def state(database: Database) -> StoredState:
    return StoredState(database)


async def test_a_place_moves_from_where_it_was_left(state: StoredState) -> None:
    await state.note(PLACE, {"a": b"0"}, {"a": None})
    await state.note(PLACE, {"a": b"5", "b": b"x"}, {"a": b"0"})
    assert await state.facts(PLACE) == {"a": b"5", "b": b"x"}


@pytest.mark.parametrize("after", [None, b"4", b""])
async def test_a_place_that_somebody_has_moved_stays_and_so_does_all_else_that_was_to_be_noted(
    state: StoredState, after: bytes | None
) -> None:
    await state.note(PLACE, {"a": b"5"})
    with pytest.raises(Overtaken, match="somebody else has moved a on"):
        await state.note(PLACE, {"b": b"x", "a": b"6"}, {"a": after})
    assert await state.facts(PLACE) == {"a": b"5"}


async def test_a_place_that_is_gone_cannot_be_moved_on_from(state: StoredState) -> None:
    with pytest.raises(Overtaken):
        await state.note(PLACE, {"a": b"6"}, {"a": b"5"})
    assert await state.facts(PLACE) == {}


async def test_a_place_is_forgotten_only_where_it_was_left(state: StoredState) -> None:
    await state.note(PLACE, {"a": b"5"})
    with pytest.raises(Overtaken):
        await state.note(PLACE, {"a": None}, {"a": b"4"})
    await state.note(PLACE, {"a": None}, {"a": b"5"})
    assert await state.facts(PLACE) == {}


async def test_places_of_another_source_are_its_own(state: StoredState) -> None:
    other = Place("default", "hooks", "kafka", "returns")
    await state.note(PLACE, {"a": b"5"})
    await state.note(other, {"a": b"0"}, {"a": None})
    assert (await state.facts(PLACE), await state.facts(other)) == ({"a": b"5"}, {"a": b"0"})
