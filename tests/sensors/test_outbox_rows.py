"""The outbox: retries by the manifest's policy, dead letters, and picking up after a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bireme.kit.errors import NotFound
from sensors import store
from sensors.errors import TriggerFailed, TriggerRefused
from sensors.model import Firing, Receipt
from sensors.registry import triggers


@triggers.register("played")
class PlayedTrigger:
    """A trigger of a test: fails as often as its template says, then succeeds."""

    def __init__(self, surroundings: Any) -> None:
        self.clock = surroundings.clock
        self.acts: list[str] = []

    def prepare(self, definition: dict[str, Any], events: Any, origin: Any) -> dict[str, Any]:
        return dict(definition["template"]["played"])

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        self.acts.append(firing.trigger)
        if spec.get("refuses"):
            raise TriggerRefused("never")
        if spec.get("breaks"):
            raise ZeroDivisionError("a defect")
        if self.acts.count(firing.trigger) <= spec.get("fails", 0):
            raise TriggerFailed("not now")
        return Receipt(kind="played")

    async def close(self) -> None:
        """Holds nothing."""


def rule(name: str = "t", retry: Any = None, **spec: Any) -> dict[str, Any]:
    return {"template": {"name": name, "played": spec}, "retryStrategy": retry}


@asynccontextmanager
async def working(deck: Any) -> AsyncIterator[PlayedTrigger]:
    """The bank at work, its clock following the waiting."""
    task = asyncio.get_running_loop().create_task(deck.bank.run())
    yield deck.bank.outbox.trigger("played")
    task.cancel()
    await asyncio.wait([task])


async def until_settled(deck: Any) -> list[tuple[Any, ...]]:
    """Let the outbox work, moving the clock to whatever is due next, until nothing is pending."""
    async with asyncio.timeout(10):
        while await store.firings(deck.database, status="pending"):
            following = await store.next_due(deck.database, deck.clock.now().timestamp())
            if following is not None and not deck.bank.outbox.is_busy:
                deck.clock.advance(following - deck.clock.now().timestamp() + 0.001)
                deck.bank.outbox.wake()
            await asyncio.sleep(0.001)
    found: list[tuple[Any, ...]] = await deck.firings()
    return found


async def test_a_failing_trigger_is_tried_again_by_its_own_policy(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(rule(retry={"steps": 3, "duration": "10s"}, fails=2)))
    await deck.publish(make_event("e1"))
    start = deck.clock.now()
    async with working(deck) as trigger:
        assert await until_settled(deck) == [("t", "fired", 3, "")]
    assert trigger.acts == ["t", "t", "t"]
    waited = (deck.clock.now() - start).total_seconds()
    assert 30 <= waited < 31, "twice 10 s, each with half of its jitter"


async def test_without_a_policy_there_is_one_attempt(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(rule(fails=1)))
    await deck.publish(make_event("e1"))
    async with working(deck):
        assert await until_settled(deck) == [("t", "dead", 1, "not now")]


async def test_what_is_refused_or_defect_is_not_tried_again(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    policy = {"steps": 5}
    deck.bank.add(make_sensor(rule("r", policy, refuses=True), rule("x", policy, breaks=True)))
    await deck.publish(make_event("e1"))
    async with working(deck):
        assert await until_settled(deck) == [
            ("r", "dead", 1, "never"),
            ("x", "dead", 1, "ZeroDivisionError: a defect"),
        ]


async def test_the_dead_letter_trigger_acts_on_the_same_events(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    dying = {**rule(fails=9), "dlqTrigger": rule("last-resort")}
    deck.bank.add(make_sensor(dying))
    await deck.publish(make_event("e1"))
    async with working(deck):
        found = {row[0]: row[1] for row in await until_settled(deck)}
    assert found == {"t": "dead", "last-resort": "fired"}


async def test_a_firing_that_dies_starts_the_one_that_waits_for_its_slot(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    trigger = rule(fails=1)
    trigger["template"]["concurrency"] = {"key": "body.key"}
    deck.bank.add(make_sensor(trigger))
    for n in range(3):
        await deck.publish(make_event(f"e{n}", data={"body": {"key": "k"}}))
    assert sorted(row[1] for row in await deck.firings()) == ["pending", "queued", "queued"]
    async with working(deck), asyncio.timeout(10):
        while sorted(row[1] for row in await deck.firings()) != ["dead", "fired", "fired"]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_dead_firing_can_be_driven_again(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(rule(fails=1)))
    await deck.publish(make_event("e1"))
    async with working(deck) as trigger:
        await until_settled(deck)
        [dead] = await store.firings(deck.database, status="dead")
        await deck.bank.redrive(dead["id"])
        assert await until_settled(deck) == [("t", "fired", 1, "")]
    assert trigger.acts == ["t", "t"]


async def test_driving_a_firing_that_does_not_exist_says_so(deck: Any) -> None:
    with pytest.raises(NotFound, match="there is no firing nobody"):
        await deck.bank.redrive("nobody")


async def test_pending_firings_are_picked_up_after_a_restart(
    open_deck: Any, make_sensor: Any, make_event: Any
) -> None:
    async with open_deck() as first:
        first.bank.add(make_sensor(rule()))
        await first.publish(make_event("e1"), make_event("e2"))
        assert [row[1] for row in await first.firings()] == ["pending", "pending"]
    async with open_deck() as second, working(second) as trigger:
        assert [row[1] for row in await until_settled(second)] == ["fired", "fired"]
        assert len(trigger.acts) == 2


async def test_a_kind_that_is_no_longer_installed_is_dead_and_not_tried_for_ever(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    gone = Firing(id="f", namespace="default", sensor="s", trigger="t", kind="gone", spec={})
    await deck.database.write(lambda tx: store.put_firing(tx, gone, 0.0, 0.0))
    async with working(deck):
        [(_, status, attempts, error)] = await until_settled(deck)
    assert (status, attempts) == ("dead", 1)
    assert error.startswith("unknown kind 'gone'")


async def test_a_throttled_submission_happens_when_its_slot_comes(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    limited = submit(rateLimit={"unit": "Minute", "requestsPerUnit": 1})
    deck.bank.add(make_sensor(limited))
    await deck.publish(make_event("e1"), make_event("e2"), make_event("e3"))
    assert len(deck.workflows.started) == 1
    async with working(deck):
        await until_settled(deck)
    await deck.database.write(lambda tx: None)  # what earlier commits call back has been called
    assert len(deck.workflows.started) == 3


async def test_a_sensor_at_rest_takes_nobodys_place_and_goes_on_when_its_rest_is_over(
    deck: Any, make_event: Any
) -> None:
    def left(tx: Any) -> None:
        for n in range(100):
            name = "resting" if n < 99 else "other"
            firing = Firing(
                id=f"f{n}", namespace="default", sensor=name, trigger=name, kind="played", spec={}
            )
            store.put_firing(tx, firing, float(n), 0.0)

    await deck.database.write(left)
    outbox = deck.bank.outbox
    outbox.rest(frozenset({"default/resting"}))
    async with working(deck) as trigger, asyncio.timeout(10):
        while not trigger.acts or outbox.is_busy:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert trigger.acts == ["other"]
        outbox.rest(frozenset())
        await until_settled(deck)
    assert len(trigger.acts) == 100
