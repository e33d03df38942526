"""Programs of sensors run before the transaction that needs their answers: nobody's commit waits for them."""

import asyncio
import threading
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


@pytest.fixture
def scripts() -> Recorded:
    return Recorded()


@pytest.fixture
async def bank(deck: Any, scripts: Recorded) -> Any:
    made = deck.bank
    await made.close()
    deck.bank = SensorBank(deck.database, made.outbox.surroundings, scripts=scripts)
    yield deck.bank
    await deck.bank.close()


@pytest.fixture
def bus(deck: Any, bank: SensorBank) -> SqliteBus:
    return SqliteBus(deck.database, deck.clock, bank.consume, ahead=bank.ahead)


async def test_while_a_program_runs_other_events_are_accepted_and_decided(
    deck: Any, bus: SqliteBus, scripts: Recorded, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **SCRIPT))
    scripts.go.clear()
    slow = asyncio.create_task(bus.publish([make_event("slow")]))  # type: ignore[var-annotated]
    await asyncio.to_thread(scripts.begun.wait, 20)
    async with asyncio.timeout(10):
        await bus.publish([make_event("quick", subject="another")])
    assert not slow.done()
    scripts.go.set()
    await slow
    assert [row[4] for row in await deck.outcomes()] == ["fired"]


async def test_a_program_runs_once_for_an_event_and_what_follows_on_its_answer_too(
    deck: Any, bus: SqliteBus, scripts: Recorded, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **CHANGED))
    deck.bank.add(make_sensor(submit(), name="other", **CHANGED))
    event = make_event("e1")
    await bus.publish([event])
    assert [row[4] for row in await deck.outcomes()] == ["fired", "fired"]
    assert [kind for kind, _ in scripts.ran] == ["jq.first", "lua.truth"]
    assert scripts.ran[0][1] == event.data
    assert scripts.threads == {"programs"}


async def test_the_same_data_in_another_event_is_asked_about_anew(
    deck: Any, bus: SqliteBus, scripts: Recorded, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **SCRIPT))
    for id in ("e1", "e2"):
        await bus.publish([make_event(id)])
    assert len(scripts.ran) == 2


async def test_events_of_two_sources_may_have_one_id(
    deck: Any, bus: SqliteBus, scripts: Recorded, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), names="a b", **SCRIPT))
    scripts.go.clear()
    publishing = [bus.publish([make_event("1", subject=name)]) for name in "ab"]
    both = asyncio.gather(*publishing)
    await asyncio.to_thread(scripts.begun.wait, 20)
    scripts.go.set()
    await both
    assert len(scripts.ran) == 2
    assert scripts.threads == {"programs"}


async def test_an_event_that_two_sensors_have_missed_is_asked_about_for_both(
    deck: Any, bank: Any, scripts: Recorded, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    other = {"filters": {"script": "return event.body.n ~= 2"}}
    made = [make_sensor(submit(), **SCRIPT), make_sensor(submit(), name="other", **other)]
    for one in made:
        bank.add(one)
    await bank.catch_up()
    for one in made:
        bank.drop(f"default/{one['metadata']['name']}")
    await deck.append(make_event("e1"))
    for one in made:
        bank.add(one)
    await bank.catch_up()
    assert [row[4] for row in await deck.outcomes()] == ["fired", "fired"]
    assert len(scripts.ran) == 2
    assert scripts.threads == {"programs"}


async def test_much_that_was_missed_is_kept_before_the_next_sensor_is_asked_about(
    deck: Any, bank: Any, scripts: Recorded, make_sensor: Any, make_event: Any
) -> None:
    log = {"template": {"name": "t", "log": {}}}
    other = {"filters": {"script": "return event.body.n ~= 2"}}
    made = [make_sensor(log, **SCRIPT), make_sensor(log, name="later", **other)]
    for one in made:
        bank.add(one)
    await bank.catch_up()
    for one in made:
        bank.drop(f"default/{one['metadata']['name']}")
    await deck.append(*(make_event(f"e{n}") for n in range(500)))
    for one in made:
        bank.add(one)
    scripts.held = "~= 2"
    scripts.go.clear()
    catching_up = asyncio.create_task(bank.catch_up())
    assert await asyncio.to_thread(scripts.begun.wait, 20)
    first = await deck.outcomes()
    scripts.go.set()
    await catching_up
    assert [row[1] for row in first] == ["s"] * 500
    assert len(await deck.outcomes()) == 1000
    assert scripts.threads == {"programs"}


async def test_what_a_program_does_wrong_is_the_decision_as_ever_and_can_be_tried_again(
    deck: Any, bus: SqliteBus, scripts: Recorded, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **SCRIPT))
    await bus.publish([make_event("e1", data={"body": "broken"})])
    assert [row[4] for row in await deck.outcomes()] == ["error"]
    assert len(scripts.ran) == 1
    [failed] = await deck.rows("SELECT id FROM quarantine")
    [decision] = await deck.bank.review.redrive(failed[0])
    assert decision.reason == "it broke"
    assert len(scripts.ran) == 2
    assert scripts.threads == {"programs"}
    with pytest.raises(NotFound):
        await deck.bank.review.redrive("nobody")


async def test_what_was_missed_is_asked_about_before_it_is_caught_up_with(
    deck: Any,
    bank: Any,
    bus: SqliteBus,
    scripts: Recorded,
    make_sensor: Any,
    submit: Any,
    make_event: Any,
) -> None:
    made = make_sensor(submit(), **SCRIPT)
    bank.add(made)
    await bus.publish([make_event("e1")])
    bank.drop("default/s")
    await deck.append(make_event("e2"), make_event("e3"))
    bank.add(made)
    await bank.catch_up()
    assert [row[4] for row in await deck.outcomes()] == ["fired"] * 3
    assert len(scripts.ran) == 3
    assert scripts.threads == {"programs"}


async def test_what_was_not_foreseen_is_asked_on_the_spot(
    deck: Any,
    bank: Any,
    bus: SqliteBus,
    scripts: Recorded,
    make_sensor: Any,
    submit: Any,
    make_event: Any,
) -> None:
    bank.add(make_sensor(submit(), **SCRIPT))
    await deck.publish(make_event("e1"))
    assert [row[4] for row in await deck.outcomes()] == ["fired"]
    assert scripts.threads != {"programs"}


async def test_a_sensor_that_lost_its_programs_asks_no_more(
    deck: Any,
    bank: Any,
    bus: SqliteBus,
    scripts: Recorded,
    make_sensor: Any,
    submit: Any,
    make_event: Any,
) -> None:
    bank.add(make_sensor(submit(), **SCRIPT))
    bank.add(make_sensor(submit()))
    await bus.publish([make_event("e1")])
    assert [row[4] for row in await deck.outcomes()] == ["fired"]
    assert not scripts.ran


async def test_a_sensor_that_cannot_be_compiled_stops_no_event(
    deck: Any,
    bank: Any,
    bus: SqliteBus,
    scripts: Recorded,
    make_sensor: Any,
    submit: Any,
    make_event: Any,
) -> None:
    broken = make_sensor(submit(), filters={"script": "return true", "exprs": 3})
    bank.add(broken)
    await bus.publish([make_event("e1")])
    assert [row[4] for row in await deck.outcomes()] == ["error"]
