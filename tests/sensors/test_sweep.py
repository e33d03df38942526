"""What is over is forgotten, what anybody may still ask for is not; on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sensors import retention
from sensors.sweep import Policy, Sweeper
from tests import postgres as servers

DAY_S = 86400.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Server | None]:
    with servers.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Rows are the same on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "bireme.db")
    return servers.url_or_skip(request.getfixturevalue("postgres"))


async def sweep(deck: Any, **policy: Any) -> tuple[int, int]:
    return await Sweeper(deck.database, deck.clock, deck.workflows, Policy(**policy)).sweep()


async def trim_log(deck: Any) -> None:
    """Retention has removed every event but the newest."""
    await deck.database.write(
        lambda tx: tx.execute("DELETE FROM events WHERE seq < (SELECT MAX(seq) FROM events)")
    )


async def end_runs(deck: Any) -> None:
    await deck.database.write(lambda tx: tx.execute("UPDATE runs SET live = 0"))


async def seqs(deck: Any) -> list[int]:
    return [seq for (seq,) in await deck.rows("SELECT seq FROM decisions ORDER BY id")]


async def statuses(deck: Any) -> list[str]:
    rows = await deck.rows("SELECT status FROM firings ORDER BY created_at, status")
    return [status for (status,) in rows]


def only(value: str) -> dict[str, Any]:
    return {"filters": {"data": [{"path": "body.n", "type": "number", "value": [value]}]}}


def join(trigger: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**trigger, "template": {**trigger["template"], **more}}


async def test_decisions_stay_as_long_as_their_event_and_go_with_it(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **only("7")))
    await deck.publish(*(make_event(f"e{n}") for n in range(5)))
    deck.clock.at += timedelta(days=30)
    assert await sweep(deck) == (0, 0)
    await trim_log(deck)
    assert await sweep(deck) == (0, 4)
    assert await seqs(deck) == [5]


async def test_more_than_a_slice_is_forgotten_in_slices(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **only("7")))
    count = 2 * retention.SLICE + 50
    await deck.publish(*(make_event(f"e{n}") for n in range(count + 1)))
    await trim_log(deck)
    assert await sweep(deck) == (0, count)


async def test_a_firing_that_is_over_goes_by_age_and_its_decisions_follow(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1"), make_event("e2"))
    await end_runs(deck)
    await trim_log(deck)
    assert await sweep(deck) == (0, 0), "a firing keeps its decisions"
    deck.clock.at += timedelta(days=8)
    assert await sweep(deck) == (2, 1)
    assert await seqs(deck) == [2]


async def test_a_firing_stays_while_its_workflow_runs(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1"), make_event("e2"))
    await trim_log(deck)
    deck.clock.at += timedelta(days=8)
    assert await sweep(deck) == (0, 0)
    await end_runs(deck)
    assert await sweep(deck) == (2, 1)


async def test_one_firing_too_many_goes_first_but_not_while_its_events_may_come_again(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    for n in range(5):
        await deck.publish(make_event(f"e{n}"))
        deck.clock.at += timedelta(hours=1)
    await end_runs(deck)
    assert await sweep(deck, count=2) == (0, 0)
    deck.clock.at += timedelta(days=1)
    assert (await sweep(deck, count=2))[0] == 3
    kept = await deck.rows("SELECT payload FROM firings")
    assert len(kept) == 2


async def test_what_is_held_or_dead_stays_for_ever_with_its_decisions(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(join(submit(), breaker={"max": 1, "per": "1h"}), name="held"))
    deck.bank.add(make_sensor(submit(entrypoint=""), name="dead"))
    await deck.publish(make_event("e1"), make_event("e2"), make_event("e3", "other"))
    await end_runs(deck)
    await trim_log(deck)
    deck.clock.at += timedelta(days=365)
    before = await deck.rows("SELECT COUNT(*) FROM decisions")
    gone, _ = await sweep(deck)
    assert gone == 1, "the one that fired"
    assert sorted(await statuses(deck)) == ["dead", "dead", "held"]
    kept = await deck.rows(
        "SELECT DISTINCT sensor, outcome FROM decisions ORDER BY sensor, outcome"
    )
    assert ("held", "held") in kept
    assert ("dead", "fired") in kept
    assert (await deck.rows("SELECT COUNT(*) FROM decisions"))[0][0] < before[0][0]


@pytest.mark.parametrize("how", ["join", "condition"])
async def test_the_decision_of_an_event_that_waits_stays(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any, how: str
) -> None:
    waits = join(submit(), join={"key": "body.n", "within": "9000h"}) if how == "join" else submit()
    deck.bank.add(make_sensor(waits, names="a b"))
    deck.bank.add(make_sensor(submit(), name="other", **only("7")))
    await deck.publish(make_event("e1", "a"), make_event("e2", "c"))
    await trim_log(deck)
    deck.clock.at += timedelta(days=30)
    assert await sweep(deck) == (0, 1)
    assert [row[1:5:3] for row in await deck.outcomes()] == [("s", "waiting")]


async def test_a_firing_that_holds_a_slot_stays_so_that_the_slot_stays_taken(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    log = {"template": {"name": "t", "log": {}, "concurrency": {"key": "body.n", "limit": 1}}}
    deck.bank.add(make_sensor(log))
    await deck.publish(make_event("e1"))
    await deck.database.write(
        lambda tx: tx.execute("UPDATE firings SET status = 'fired', updated_at = 1")
    )
    deck.clock.at += timedelta(days=30)
    assert (await sweep(deck))[0] == 0


async def test_the_decision_of_a_failed_event_stays_as_long_as_it_can_be_driven_again(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    gone = {"filters": {"data": [{"path": "body.gone", "type": "string", "value": ["x"]}]}}
    deck.bank.add(make_sensor(submit(), **gone))
    await deck.publish(make_event("e1"), make_event("e2", "other"))
    await trim_log(deck)
    assert await sweep(deck) == (0, 0)
    await deck.database.write(lambda tx: tx.execute("DELETE FROM quarantine"))
    assert await sweep(deck) == (0, 1)


async def test_a_sweep_that_is_stopped_anywhere_is_simply_done_again(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(), **only("7")))
    await deck.publish(*(make_event(f"e{n}") for n in range(11)))
    await trim_log(deck)
    [*first] = await retention.decisions_before(deck.database, 5, 0.0)
    await deck.database.write(lambda tx: retention.forget_decisions(tx, [id for _, id, _ in first]))
    assert await sweep(deck) == (0, 6)
    assert await sweep(deck) == (0, 0)
