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


async def test_a_sensor_sees_the_events_of_the_bus_it_names_and_of_no_other(
    open_deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    audit, plain = make_sensor(submit(), name="audit"), make_sensor(submit(), name="plain")
    audit["spec"]["eventBusName"] = "audit"
    plain["spec"]["eventBusName"] = "default"

    def events(count: int) -> list[Any]:
        made = [make_event(f"e{n}") for n in range(count)]
        return [*made, *(msgspec.structs.replace(one, bus="audit") for one in made)]

    async with open_deck() as deck:
        bus = SqliteBus(deck.database, deck.clock, deck.bank.consume)
        deck.bank.add(audit)
        deck.bank.add(plain)
        await deck.bank.catch_up()
        await bus.publish(events(1))
        away = SqliteBus(deck.database, deck.clock)
        await away.publish(events(2))
    async with open_deck() as deck:
        deck.bank.add(audit)
        deck.bank.add(plain)
        await deck.bank.catch_up()
        decided = await deck.rows("SELECT sensor, seq FROM decisions ORDER BY sensor, seq")
    assert decided == [
        ("audit", 2), ("audit", 5), ("audit", 6), ("plain", 1), ("plain", 3), ("plain", 4),
    ]  # fmt: skip
