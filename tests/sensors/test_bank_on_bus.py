"""The bank behind the real bus: what `publish` has acknowledged is decided and fired."""

from typing import Any

import msgspec

from events.buses.sqlite import SqliteBus


async def test_published_means_decided_and_submitted(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    bus = SqliteBus(deck.database, deck.clock, deck.bank.consume)
    deck.bank.add(make_sensor(submit()))
    [accepted] = await bus.publish([make_event("e1")])
    assert await deck.outcomes() == [(accepted.seq, "s", "t", "a", "fired")]
    assert len(deck.workflows.started) == 1


async def test_a_delivery_that_came_twice_is_one_event_and_one_workflow(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    bus = SqliteBus(deck.database, deck.clock, deck.bank.consume)
    deck.bank.add(make_sensor(submit()))
    for id in ("e1", "e2"):
        await bus.publish([msgspec.structs.replace(make_event(id), dedup="delivery-1")])
    assert [row[4] for row in await deck.outcomes()] == ["fired"]
    assert len(deck.workflows.started) == 1
