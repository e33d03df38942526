"""Programs of sensors run before the transaction that needs their answers: nobody's commit waits for them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bireme.kit.errors import NotFound
from bireme.lang.script import Program, ScriptError
from events.buses.sqlite import SqliteBus
from sensors.run import SensorBank

SCRIPT = {"filters": {"script": "return event.body.n == 1"}}
CHANGED = {"transform": {"jq": ".body"}, "filters": {"script": "return event.body.n == 1"}}


class Recorded:
    """Scripts that note in which thread they ran, wait until they are let go, and answer from the data.

    With `held`, only programs with that text in them wait.
    """

    def __init__(self) -> None:
        self.held = ""
        self.ran: list[tuple[str, bytes]] = []
        self.threads: set[str] = set()
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def run(self, program: Program, data: bytes) -> bytes:
        if self.held in program.text:
            self.begun.set()
            assert self.go.wait(20)
        self.threads.add(threading.current_thread().name.partition("_")[0])
        self.ran.append((program.kind, data))
        if b"broken" in data:
            raise ScriptError("it broke")
        return b'{"body": {"n": 1}}' if program.kind == "jq.first" else b"true"

    def check(self, program: Program) -> None:
        """Every program compiles."""


class Rig:
    """A bank that is given such scripts, behind the bus; `sensor` submits a workflow, `event` is what it waits for."""

    def __init__(self, deck: Any, make_sensor: Any, submit: Any, make_event: Any) -> None:
        self.deck, self.event = deck, make_event
        self.scripts = Recorded()
        around = deck.bank.outbox.surroundings
        self.bank = deck.bank = SensorBank(deck.database, around, scripts=self.scripts)
        self.bus = SqliteBus(deck.database, deck.clock, self.bank.consume, ahead=self.bank.ahead)
        self.make, self.sensor = make_sensor, partial(make_sensor, submit())


@pytest.fixture
async def rig(deck: Any, make_sensor: Any, submit: Any, make_event: Any) -> AsyncIterator[Rig]:
    await deck.bank.close()
    made = Rig(deck, make_sensor, submit, make_event)
    yield made
    await made.bank.close()


async def test_while_a_program_runs_other_events_are_accepted_and_decided(rig: Rig) -> None:
    rig.bank.add(rig.sensor(**SCRIPT))
    rig.scripts.go.clear()
    slow = asyncio.create_task(rig.bus.publish([rig.event("slow")]))  # type: ignore[var-annotated]
    await asyncio.to_thread(rig.scripts.begun.wait, 20)
    async with asyncio.timeout(10):
        await rig.bus.publish([rig.event("quick", subject="another")])
    assert not slow.done()
    rig.scripts.go.set()
    await slow
    assert [row[4] for row in await rig.deck.outcomes()] == ["fired"]


async def test_a_program_runs_once_for_an_event_and_what_follows_on_its_answer_too(
    rig: Rig,
) -> None:
    rig.bank.add(rig.sensor(**CHANGED))
    rig.bank.add(rig.sensor(name="other", **CHANGED))
    event = rig.event("e1")
    await rig.bus.publish([event])
    assert [row[4] for row in await rig.deck.outcomes()] == ["fired", "fired"]
    assert [kind for kind, _ in rig.scripts.ran] == ["jq.first", "lua.truth"]
    assert rig.scripts.ran[0][1] == event.data
    assert rig.scripts.threads == {"programs"}


async def test_the_same_data_in_another_event_is_asked_about_anew(rig: Rig) -> None:
    rig.bank.add(rig.sensor(**SCRIPT))
    for id in ("e1", "e2"):
        await rig.bus.publish([rig.event(id)])
    assert len(rig.scripts.ran) == 2


async def test_events_of_two_sources_may_have_one_id(rig: Rig) -> None:
    rig.bank.add(rig.sensor(names="a b", **SCRIPT))
    rig.scripts.go.clear()
    publishing = [rig.bus.publish([rig.event("1", subject=name)]) for name in "ab"]
    both = asyncio.gather(*publishing)
    await asyncio.to_thread(rig.scripts.begun.wait, 20)
    rig.scripts.go.set()
    await both
    assert len(rig.scripts.ran) == 2
    assert rig.scripts.threads == {"programs"}


async def test_an_event_that_two_sensors_have_missed_is_asked_about_for_both(rig: Rig) -> None:
    other = {"filters": {"script": "return event.body.n ~= 2"}}
    made = [rig.sensor(**SCRIPT), rig.sensor(name="other", **other)]
    for one in made:
        rig.bank.add(one)
    await rig.bank.catch_up()
    for one in made:
        rig.bank.drop(f"default/{one['metadata']['name']}")
    await rig.deck.append(rig.event("e1"))
    for one in made:
        rig.bank.add(one)
    await rig.bank.catch_up()
    assert [row[4] for row in await rig.deck.outcomes()] == ["fired", "fired"]
    assert len(rig.scripts.ran) == 2
    assert rig.scripts.threads == {"programs"}


async def test_much_that_was_missed_is_kept_before_the_next_sensor_is_asked_about(rig: Rig) -> None:
    log = {"template": {"name": "t", "log": {}}}
    other = {"filters": {"script": "return event.body.n ~= 2"}}
    made = [rig.make(log, **SCRIPT), rig.make(log, name="later", **other)]
    for one in made:
        rig.bank.add(one)
    await rig.bank.catch_up()
    for one in made:
        rig.bank.drop(f"default/{one['metadata']['name']}")
    await rig.deck.append(*(rig.event(f"e{n}") for n in range(500)))
    for one in made:
        rig.bank.add(one)
    rig.scripts.held = "~= 2"
    rig.scripts.go.clear()
    catching_up = asyncio.create_task(rig.bank.catch_up())
    assert await asyncio.to_thread(rig.scripts.begun.wait, 20)
    first = await rig.deck.outcomes()
    rig.scripts.go.set()
    await catching_up
    assert [row[1] for row in first] == ["s"] * 500
    assert len(await rig.deck.outcomes()) == 1000
    assert rig.scripts.threads == {"programs"}


async def test_what_a_program_does_wrong_is_the_decision_as_ever_and_can_be_tried_again(
    rig: Rig,
) -> None:
    rig.bank.add(rig.sensor(**SCRIPT))
    await rig.bus.publish([rig.event("e1", data={"body": "broken"})])
    assert [row[4] for row in await rig.deck.outcomes()] == ["error"]
    assert len(rig.scripts.ran) == 1
    [failed] = await rig.deck.rows("SELECT id FROM quarantine")
    [decision] = await rig.bank.review.redrive(failed[0])
    assert decision.reason == "it broke"
    assert len(rig.scripts.ran) == 2
    assert rig.scripts.threads == {"programs"}
    with pytest.raises(NotFound):
        await rig.bank.review.redrive("nobody")


async def test_what_was_missed_is_asked_about_before_it_is_caught_up_with(rig: Rig) -> None:
    made = rig.sensor(**SCRIPT)
    rig.bank.add(made)
    await rig.bus.publish([rig.event("e1")])
    rig.bank.drop("default/s")
    await rig.deck.append(rig.event("e2"), rig.event("e3"))
    rig.bank.add(made)
    await rig.bank.catch_up()
    assert [row[4] for row in await rig.deck.outcomes()] == ["fired"] * 3
    assert len(rig.scripts.ran) == 3
    assert rig.scripts.threads == {"programs"}


async def test_what_was_not_foreseen_is_asked_on_the_spot(rig: Rig) -> None:
    rig.bank.add(rig.sensor(**SCRIPT))
    await rig.deck.publish(rig.event("e1"))
    assert [row[4] for row in await rig.deck.outcomes()] == ["fired"]
    assert rig.scripts.threads != {"programs"}


async def test_a_sensor_that_lost_its_programs_asks_no_more(rig: Rig) -> None:
    rig.bank.add(rig.sensor(**SCRIPT))
    rig.bank.add(rig.sensor())
    await rig.bus.publish([rig.event("e1")])
    assert [row[4] for row in await rig.deck.outcomes()] == ["fired"]
    assert not rig.scripts.ran


async def test_a_sensor_that_cannot_be_compiled_stops_no_event(rig: Rig) -> None:
    broken = rig.sensor(filters={"script": "return true", "exprs": 3})
    rig.bank.add(broken)
    await rig.bus.publish([rig.event("e1")])
    assert [row[4] for row in await rig.deck.outcomes()] == ["error"]
