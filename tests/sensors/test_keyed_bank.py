"""Joins, gathering, slots, budgets and quarantine on a real database: rows, timers, restarts, what people decide."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bireme.kit.errors import Conflict, NotFound
from sensors import cell_store, quarantine
from tests import postgres as servers


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


def with_template(trigger: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**trigger, "template": {**trigger["template"], **more}}


async def ring(deck: Any, seconds: float = 0.0) -> None:
    """Time passes, and the timers that are due ring."""
    deck.clock.at += timedelta(seconds=seconds)
    await deck.database.write(deck.bank.ring)


def body(n: int, key: str = "k") -> dict[str, Any]:
    return {"body": {"n": n, "key": key}}


JOIN = {"key": "body.key", "within": "2h"}


async def test_half_a_join_survives_the_end_of_the_process(
    open_deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    raw = make_sensor(with_template(submit(), join=JOIN), names="a b")
    async with open_deck() as deck:
        deck.bank.add(raw)
        await deck.publish(make_event("e1", "a", data=body(1)))
    async with open_deck() as deck:
        deck.bank.add(raw)
        await deck.publish(make_event("e2", "b", data=body(2)))
        assert [row[4] for row in await deck.outcomes()] == ["waiting", "fired", "fired"]
        assert len(await deck.rows("SELECT 1 FROM runs")) == 1


async def test_a_window_that_ended_while_nobody_was_there_is_told_at_the_next_start(
    open_deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    raw = make_sensor(with_template(submit(), join=JOIN), names="a b")
    async with open_deck() as deck:
        deck.bank.add(raw)
        await deck.publish(make_event("e1", "a", data=body(1)))
    async with open_deck() as deck:
        deck.bank.add(raw)
        await ring(deck, 7200)
        assert (await deck.outcomes())[-1] == (1, "s", "t", "a", "expired")
        assert await deck.rows("SELECT 1 FROM sensor_cells") == []


async def test_the_timer_sees_what_was_missed_before_it_ends_the_window(
    open_deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    raw = make_sensor(with_template(submit(), join={**JOIN, "mode": "all"}), names="a b")
    async with open_deck() as deck:
        deck.bank.add(raw)
        await deck.publish(make_event("e1", "a", data=body(1)))
        await deck.append(make_event("e2", "b", data=body(2)))
    async with open_deck() as deck:
        deck.bank.add(raw)
        await deck.bank.catch_up()
        await ring(deck, 7200)
        assert len(await deck.rows("SELECT 1 FROM runs")) == 1


async def test_the_timer_of_a_sensor_that_was_removed_waits_for_its_return(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    raw = make_sensor(with_template(submit(), join=JOIN), names="a b")
    deck.bank.add(raw)
    await deck.publish(make_event("e1", "a", data=body(1)))
    deck.bank.remove("default", "s")
    await ring(deck, 7200)
    left = await cell_store.next_due(deck.database)
    assert left is not None
    assert left > deck.clock.now().timestamp()
    deck.bank.add(raw)
    await ring(deck, 3600)
    assert (await deck.outcomes())[-1][4] == "expired"


async def test_a_dead_lettered_join_is_a_dead_firing_that_can_be_driven_with_what_came(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    join = {**JOIN, "onTimeout": "dead-letter"}
    deck.bank.add(make_sensor(with_template(submit(), join=join), names="a b"))
    await deck.publish(make_event("e1", "a", data=body(7)))
    await ring(deck, 7200)
    [(id, status, error)] = await deck.rows("SELECT id, status, error FROM firings")
    assert (status, "nothing came from b" in error) == ("dead", True)
    await deck.bank.redrive(id)
    assert (await deck.firings())[0][1] == "pending"


async def test_a_dead_lettered_join_fires_the_dlq_trigger_with_what_came(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    join = {**JOIN, "onTimeout": "dead-letter"}
    trigger = {**with_template(submit(), join=join), "dlqTrigger": submit("told")}
    deck.bank.add(make_sensor(trigger, names="a b"))
    await deck.publish(make_event("e1", "a", data=body(7)))
    await ring(deck, 7200)
    found = {row[0]: row[1] for row in await deck.firings()}
    assert found == {"t": "dead", "told": "pending"}
    [(firing, _attempts)] = await _due(deck)
    assert (firing.trigger, firing.event_ids) == ("told", {"a": "e1"})
    [(id,)] = await deck.rows("SELECT id FROM firings WHERE status = 'dead'")
    await deck.bank.redrive(id)
    assert len(await deck.firings()) == 2


async def test_the_dlq_trigger_acts_when_the_parameters_of_its_trigger_fail(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    trigger = {**lacking(submit()), "dlqTrigger": submit("told")}
    deck.bank.add(make_sensor(trigger))
    await deck.publish(make_event("e1"))
    assert {row[0]: row[1] for row in await deck.firings()} == {"t": "dead", "told": "pending"}


async def test_a_dlq_trigger_that_cannot_be_prepared_stops_its_trigger_from_nothing(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor({**submit(), "dlqTrigger": lacking(submit("told"))}))
    await deck.publish(make_event("e1"))
    assert [row[:2] for row in await deck.firings()] == [("t", "fired")]
    deck.bank.add(make_sensor({**lacking(submit()), "dlqTrigger": lacking(submit("told"))}))
    await deck.publish(make_event("e2"))
    [(id, error)] = await deck.rows(
        "SELECT id, error FROM firings WHERE trigger_name = 'told' AND status = 'dead'"
    )
    assert error.startswith("told cannot be prepared: ")
    deck.bank.add(make_sensor({**lacking(submit()), "dlqTrigger": submit("told")}))
    await deck.bank.redrive(id)
    assert await deck.rows("SELECT status FROM firings WHERE id = ?", id) == [("pending",)]


def lacking(trigger: dict[str, Any]) -> dict[str, Any]:
    """The trigger with a parameter that no event has."""
    [parameter] = trigger["template"]["argoWorkflow"]["parameters"]
    parameter["src"] = {"dependencyName": "a", "dataKey": "body.nowhere"}
    return trigger


async def test_gathered_events_are_one_workflow_that_has_them_all(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    trigger = with_template(submit(), coalesce={"quiet": "30s"})
    source = trigger["template"]["argoWorkflow"]["parameters"][0]["src"]
    source["dataKey"] = "events.#.body.n"
    deck.bank.add(make_sensor(trigger))
    for n in range(200):
        await deck.publish(make_event(f"e{n}", data=body(n)))
    await ring(deck, 30)
    [(manifest,)] = await deck.rows("SELECT manifest FROM runs")
    assert all(f"{n}," in bytes(manifest).decode() for n in range(199))


async def test_a_new_push_terminates_the_run_before_it_and_says_by_whom(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    wish = {"key": "body.key", "onConflict": "replace"}
    deck.bank.add(make_sensor(with_template(submit(), concurrency=wish)))
    for n in (1, 2):
        await deck.publish(make_event(f"e{n}", data=body(n, "main")))
    rows = await deck.rows("SELECT id, status FROM firings ORDER BY created_at, kind, status, id")
    assert sorted(status for _, status in rows) == ["fired", "fired", "pending"]
    for firing, _attempts in await _due(deck):
        trigger = deck.bank.outbox.trigger(firing.kind)
        await trigger.fire(firing)
    [(namespace, _name, operation, options)] = deck.workflows.operations
    assert (namespace, operation) == ("default", "terminate")
    assert "of sensor default/s" in options["by"]["actor"]


async def _due(deck: Any) -> list[Any]:
    from sensors import store

    return await store.due(deck.database, deck.clock.now().timestamp(), 10)


async def test_a_queued_firing_starts_once_the_run_before_it_has_ended(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(with_template(submit(), concurrency={"key": "body.key"})))
    for n in (1, 2):
        await deck.publish(make_event(f"e{n}", data=body(n)))
    assert [row[1] for row in await deck.firings()] == ["fired", "queued"]
    await ring(deck, 10)
    assert [row[1] for row in await deck.firings()] == ["fired", "queued"]
    await deck.database.write(lambda tx: tx.execute("UPDATE runs SET live = 0"))
    await ring(deck, 10)
    assert [row[1] for row in await deck.firings()] == ["fired", "pending"]


async def test_the_end_of_a_run_starts_the_queued_firing_before_any_timer_rings(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(with_template(submit(), concurrency={"key": "body.key"})))
    await deck.publish(make_event("e1", data=body(1)))
    await deck.publish(make_event("e2", data=body(2)))
    keeper = asyncio.create_task(deck.bank.timekeeper.run())
    [(uid,)] = await deck.rows("SELECT uid FROM runs")
    deck.bank.run_ended(uid)
    await settled(deck)
    assert [row[1] for row in await deck.firings()] == ["fired", "queued"]  # the row says it lives
    await deck.database.write(lambda tx: tx.execute("UPDATE runs SET live = 0"))
    deck.bank.run_ended(uid)
    await settled(deck)
    assert [row[1] for row in await deck.firings()] == ["fired", "pending"]
    keeper.cancel()


async def settled(deck: Any) -> None:
    """Until the timekeeper has looked at all it was hurried for."""
    async with asyncio.timeout(10):
        while deck.bank._freed or deck.bank.timekeeper._is_hurried:  # noqa: ASYNC110 - polled from outside
            await asyncio.sleep(0.001)
    await deck.database.write(lambda tx: None)


async def test_driving_a_dead_firing_again_takes_a_slot_or_waits_for_one(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    limited = with_template(submit(entrypoint=""), concurrency={"key": "body.key"})
    deck.bank.add(make_sensor(limited))
    await deck.publish(make_event("e1", data=body(1)))
    [(dead,)] = await deck.rows("SELECT id FROM firings WHERE status = 'dead'")
    deck.bank.add(make_sensor(with_template(submit(), concurrency={"key": "body.key"})))
    await deck.publish(make_event("e2", data=body(2)))
    await deck.bank.redrive(dead)
    rows = dict(await deck.rows("SELECT id, status FROM firings"))
    assert rows.pop(dead) == "queued"
    assert list(rows.values()) == ["fired"]
    await deck.database.write(lambda tx: tx.execute("UPDATE runs SET live = 0"))
    await ring(deck, 10)
    rows = dict(await deck.rows("SELECT id, status FROM firings"))
    assert rows[dead] == "pending"
    await deck.publish(make_event("e3", data=body(3)))
    rows = dict(await deck.rows("SELECT id, status FROM firings"))
    assert sorted(rows.values()) == ["fired", "pending", "queued"]


async def test_a_dead_firing_without_a_slot_to_have_stays_dead(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    wish = {"key": "body.key", "onConflict": "drop"}
    deck.bank.add(make_sensor(with_template(submit(entrypoint=""), concurrency=wish)))
    await deck.publish(make_event("e1", data=body(1)))
    [(dead,)] = await deck.rows("SELECT id FROM firings WHERE status = 'dead'")
    deck.bank.add(make_sensor(with_template(submit(), concurrency=wish)))
    await deck.publish(make_event("e2", data=body(2)))
    with pytest.raises(Conflict, match="stays dead: 1 of 1 slots"):
        await deck.bank.redrive(dead)


async def test_a_held_firing_is_released_or_discarded_by_people(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(with_template(submit(), breaker={"max": 1, "per": "1m"})))
    for n in (1, 2, 3):
        await deck.publish(make_event(f"e{n}", data=body(n)))
    held = [row[0] for row in await deck.rows("SELECT id FROM firings WHERE status = 'held'")]
    assert len(held) == 2
    assert await deck.bank.review.release(held[0], "ada") == "pending"
    await deck.bank.review.discard(held[1], "ada")
    statuses = sorted(row[1] for row in await deck.firings())
    assert statuses == ["discarded", "fired", "pending"]
    with pytest.raises(Conflict, match="is discarded"):
        await deck.bank.review.release(held[1])
    with pytest.raises(NotFound):
        await deck.bank.review.release("nothing")
    reasons = [row[0] for row in await deck.rows("SELECT reason FROM decisions ORDER BY id")]
    assert reasons[-2:] == ["released by ada", "discarded by ada"]


async def test_an_event_that_cannot_be_evaluated_is_kept_and_can_be_driven_again(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    bad = {"exprs": [{"expr": "n >", "fields": [{"name": "n", "path": "body.n"}]}]}
    deck.bank.add(make_sensor(submit(), filters=bad))
    deck.bank.add(make_sensor(submit(), name="other"))
    await deck.publish(make_event("e1", data=body(1)))
    assert len(await deck.rows("SELECT 1 FROM runs")) == 1
    [failed] = await quarantine.listed(deck.database)
    assert (failed["sensor"], failed["dependency"], failed["seq"]) == ("s", "a", 1)
    decided = await deck.bank.review.redrive(failed["id"])
    assert [d.outcome for d in decided] == ["error"]
    [failed] = await quarantine.listed(deck.database)
    assert failed["attempts"] == 2
    deck.bank.add(make_sensor(submit()))
    decided = await deck.bank.review.redrive(failed["id"])
    assert [d.outcome for d in decided] == ["fired"]
    assert await quarantine.listed(deck.database) == []
    assert len(await deck.rows("SELECT 1 FROM runs")) == 2


async def test_a_sensor_that_does_not_compile_keeps_its_events_and_stops_nobody(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    raw = make_sensor(submit())
    raw["spec"]["triggers"] = [7]
    deck.bank.add(raw)
    deck.bank.add(make_sensor(submit(), name="other"))
    await deck.publish(make_event("e1"))
    assert [failed["sensor"] for failed in await quarantine.listed(deck.database)] == ["s"]
    assert len(await deck.rows("SELECT 1 FROM runs")) == 1


async def test_a_sensor_keeps_only_its_newest_failed_events_and_the_log_says_how_many_went(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MOST_EACH", 3)
    broken = with_template(submit(), join={"key": "body.nope", "within": "1h"})
    deck.bank.add(make_sensor(broken))
    deck.bank.add(make_sensor(broken, name="other", names="b"))
    await deck.publish(make_event("o1", subject="b"))
    with capture_logs() as logged:
        await deck.publish(*[make_event(f"e{n}", data=body(n)) for n in range(4)])
        await deck.publish(make_event("e4", data=body(4)))
    kept = await quarantine.listed(deck.database, sensor="s")
    assert sorted(failed["seq"] for failed in kept) == [4, 5, 6]
    assert len(await quarantine.listed(deck.database, sensor="other")) == 1
    full = [line for line in logged if line["event"] == "quarantine_full"]
    assert [(line["sensor"], line["oldest_removed"]) for line in full] == [("default/s", 1)] * 2


async def test_failed_events_are_forgotten_when_events_are(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(with_template(submit(), join={"key": "nope", "within": "1h"})))
    await deck.publish(make_event("old"))
    deck.clock.at += timedelta(days=6)
    await deck.publish(make_event("new"))
    deck.clock.at += timedelta(days=2)
    await deck.database.write(deck.bank.pass_over)
    assert [failed["seq"] for failed in await quarantine.listed(deck.database)] == [2]
