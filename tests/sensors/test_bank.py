"""The bank on a real database: one commit per event, nothing twice, nothing lost, nobody stops the others."""

import asyncio
from typing import Any

import pytest

from bireme.kit.errors import Conflict
from sensors import account
from tests.servers import waiting

LOG = {"template": {"name": "log", "log": {}}}


async def test_event_decision_firing_and_workflow_are_one_commit(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1", data={"body": {"n": 42}}))
    assert await deck.outcomes() == [(1, "s", "t", "a", "fired")]
    assert await deck.firings() == [("t", "fired", 1, "")]
    assert (
        len(await deck.rows("SELECT 1 FROM runs WHERE CAST(manifest AS TEXT) LIKE '%\"42\"%'")) == 1
    )
    assert await deck.rows("SELECT position FROM cursors") == [(1,)]
    assert len(deck.workflows.started) == 1


async def test_a_unit_that_fails_leaves_no_trace(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))

    def broken(tx: Any) -> None:
        deck.inside(tx, [make_event("e1")])
        raise RuntimeError("the publisher failed")

    with pytest.raises(RuntimeError):
        await deck.database.write(broken)
    assert await deck.outcomes() == []
    assert deck.workflows.started == []
    await deck.publish(make_event("e1"))
    assert len(deck.workflows.started) == 1


async def test_the_same_event_twice_fires_once(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1"))
    await deck.publish(make_event("e1"))
    assert [row[4] for row in await deck.outcomes()] == ["fired", "deduplicated"]
    assert len(await deck.rows("SELECT 1 FROM runs")) == 1


async def test_a_manifest_that_cannot_run_is_a_dead_firing_and_stops_nobody(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit(entrypoint=""), name="bad"))
    deck.bank.add(make_sensor(submit(), name="good"))
    await deck.publish(make_event("e1"))
    outcomes = [(row[1], row[4]) for row in await deck.outcomes()]
    assert outcomes == [("bad", "error"), ("bad", "fired"), ("good", "fired")]
    status = dict(await deck.rows("SELECT sensor, status FROM firings"))
    assert status == {"bad": "dead", "good": "fired"}
    assert len(await deck.rows("SELECT 1 FROM runs")) == 1, "what the bad one wrote was undone"
    assert len(deck.workflows.started) == 1


async def test_a_sensor_that_breaks_is_quarantined_with_its_event(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    bad = make_sensor(submit(), name="bad")
    bad["spec"]["triggers"][0]["retryStrategy"] = "not an object"
    deck.bank.add(bad)
    deck.bank.add(make_sensor(submit(), name="good"))
    await deck.publish(make_event("e1"))
    reasons = dict(await deck.rows("SELECT sensor, outcome FROM decisions"))
    assert reasons == {"bad": "error", "good": "fired"}
    assert deck.bank.problems("default", "bad")[0].startswith("AttributeError")
    assert deck.bank.problems("default", "good") == []


async def test_a_parameter_that_resolves_to_nothing_is_an_error_not_a_lost_event(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1", data={"other": 1}))
    assert [row[4] for row in await deck.outcomes()] == ["error", "fired"]
    [(_, status, attempts, error)] = await deck.firings()
    assert (status, attempts) == ("dead", 0)
    assert error.startswith("unable to resolve 'a' parameter value")


async def test_a_dead_firing_is_driven_again_from_the_corrected_sensor(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1", data={"other": 1}))
    corrected = submit()
    corrected["template"]["argoWorkflow"]["parameters"][0]["src"]["value"] = "default"
    deck.bank.add(make_sensor(corrected))
    [(firing,)] = await deck.rows("SELECT id FROM firings")
    await deck.bank.redrive(firing)
    async with asyncio.timeout(5), running(deck):
        while any(row[1] == "pending" for row in await deck.firings()):
            deck.bank.outbox.wake()
            await asyncio.sleep(0)
    assert [row[1] for row in await deck.firings()] == ["fired"]
    with pytest.raises(Conflict, match="is fired"):
        await deck.bank.redrive(firing)


async def test_partial_conditions_survive_a_restart(
    open_deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    sensor = make_sensor(submit(conditions="a && b"), names="a b")
    async with open_deck() as first:
        first.bank.add(sensor)
        await first.publish(make_event("a1", "a"))
    async with open_deck() as second:
        second.bank.add(sensor)
        await second.publish(make_event("b1", "b"))
        assert [(row[0], row[4]) for row in await second.outcomes()] == [
            (1, "waiting"),
            (1, "fired"),
            (2, "fired"),
        ]


async def test_events_published_while_nobody_looked_are_caught_up_in_order(
    open_deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    sensor = make_sensor(submit())
    async with open_deck() as first:
        first.bank.add(sensor)
        await first.publish(make_event("e1"))
        await first.append(make_event("e2"), make_event("x", "other"), make_event("e3"))
    async with open_deck() as second:
        second.bank.add(sensor)
        await second.publish(make_event("e4"))
        assert [row[0] for row in await second.outcomes()] == [1, 2, 4, 5]


async def test_many_missed_events_are_caught_up_in_bulk_and_each_once(
    open_deck: Any, make_sensor: Any, make_event: Any
) -> None:
    sensor = make_sensor(LOG)
    async with open_deck() as first:
        first.bank.add(sensor)
        await first.publish(make_event("e0"))
        await first.append(*(make_event(f"m{n}") for n in range(1200)))
    async with open_deck() as second:
        second.bank.add(sensor)
        await second.publish(make_event("last"))
        await second.bank.catch_up()
        seqs = [row[0] for row in await second.outcomes()]
        assert seqs == list(range(1, 1203))


async def test_a_new_sensor_starts_from_now(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    await deck.append(make_event("old"))
    deck.bank.add(make_sensor(submit()))
    await deck.bank.catch_up()
    await deck.publish(make_event("new"))
    assert [row[0] for row in await deck.outcomes()] == [2]


async def test_an_edited_sensor_does_not_see_the_past_of_its_new_dependency(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("a1"))
    await deck.publish(make_event("b1", "b"))
    deck.bank.add(make_sensor(submit(conditions="a || b"), names="a b"))
    await deck.publish(make_event("a2"))
    assert [row[0] for row in await deck.outcomes()] == [1, 3]


async def test_a_removed_sensor_sees_nothing_and_goes_on_when_it_is_back(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    sensor = make_sensor(submit())
    deck.bank.add(sensor)
    await deck.publish(make_event("e1"))
    deck.bank.remove("default", "s")
    await deck.publish(make_event("e2"))
    assert [row[0] for row in await deck.outcomes()] == [1]
    deck.bank.add(sensor)
    await deck.publish(make_event("e3"))
    assert [row[0] for row in await deck.outcomes()] == [1, 2, 3]


async def test_sensors_of_other_namespaces_do_not_see_the_event(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    deck.bank.add(make_sensor(submit()))
    await deck.publish(make_event("e1", namespace="elsewhere"))
    assert await deck.outcomes() == []


async def test_a_rate_limit_delays_the_firing_and_says_so(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    limited = submit(rateLimit={"unit": "Minute", "requestsPerUnit": 1})
    deck.bank.add(make_sensor(limited))
    await deck.publish(make_event("e1"), make_event("e2"))
    assert [row[4] for row in await deck.outcomes()] == ["fired", "throttled"]
    assert [row[1] for row in await deck.firings()] == ["fired", "pending"]
    start = deck.clock.now().timestamp()
    assert await deck.rows("SELECT next_at FROM firings WHERE status = 'pending'") == [
        (start + 60,)
    ]


async def test_the_account_of_an_event_leads_to_its_workflow(
    deck: Any, make_sensor: Any, submit: Any, make_event: Any
) -> None:
    filters = {"data": [{"path": "body.n", "type": "number", "value": ["7"]}]}
    deck.bank.add(make_sensor(submit(), name="yes"))
    deck.bank.add(make_sensor(submit(), name="no", filters=filters))
    await deck.publish(make_event("e1"))
    told = await account.event(deck.database, "e1", ["default/yes", "default/late"])
    lines = {item["sensor"]: item["decisions"][0] for item in told["sensors"]}
    assert lines["default/yes"]["result"].startswith("workflow default/w-")
    assert lines["default/no"]["reason"] == "body.n is 1, wanted number = 7"
    assert lines["default/no"]["path"] == "spec.dependencies[0].filters.data[0]"
    assert told["withoutDecision"] == ["default/late"]
    firing = lines["default/yes"]["firing"]
    causes = (await account.firing(deck.database, firing))["causes"]
    assert [cause["event"]["id"] for cause in causes] == ["e1"]
    assert (await account.sensor(deck.database, "default", "no"))["outcomes"] == {"filtered": 1}


class running:
    """The bank at work for the length of a block."""

    def __init__(self, deck: Any) -> None:
        self.deck = deck

    async def __aenter__(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.deck.bank.run())

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.deck.bank.close()


async def test_an_object_read_from_elsewhere_is_submitted_once_it_is_there(
    deck: Any, make_sensor: Any, make_event: Any, tmp_path: Any
) -> None:
    file = tmp_path / "w.yaml"
    trigger = {
        "template": {
            "name": "t",
            "argoWorkflow": {"operation": "submit", "source": {"file": {"path": str(file)}}},
        },
        "retryStrategy": {"steps": 3, "duration": "10s"},
    }
    deck.bank.add(make_sensor(trigger))
    await deck.publish(make_event("e1"))
    running = asyncio.create_task(deck.bank.outbox.run())
    missing = f"source.file: {file} cannot be read: No such file or directory"

    async def has_failed() -> bool:
        return bool(await deck.firings() == [("t", "pending", 1, missing)])

    await waiting.until(has_failed)
    file.write_text("metadata: {generateName: b-}\nspec: {entrypoint: main}\n")
    deck.clock.advance(60)
    deck.bank.outbox.wake()
    await waiting.until(lambda: bool(deck.workflows.started))
    running.cancel()
    assert await deck.firings() == [("t", "fired", 2, "")]
    [(row,)] = await deck.rows("SELECT payload FROM firings")
    assert b"entrypoint" not in row


async def test_what_waited_for_a_trigger_is_forgotten_even_if_none_that_is_left_remembers(
    deck: Any, make_sensor: Any, make_event: Any
) -> None:
    both = {"template": {"name": "both", "conditions": "a && b", "log": {}}}
    one = {"template": {"name": "one", "conditions": "a", "log": {}}}
    with_both, without = make_sensor(both, one, names="a b"), make_sensor(one, names="a b")
    deck.bank.add(with_both)
    await deck.publish(make_event("e1", subject="a"))
    deck.bank.add(without)
    await deck.publish(make_event("e2", subject="a"))
    deck.bank.add(with_both)
    await deck.publish(make_event("e3", subject="b"))
    told = [(seq, trigger, outcome) for seq, _, trigger, _, outcome in await deck.outcomes()]
    assert told == [
        (1, "both", "waiting"),
        (1, "one", "fired"),
        (1, "both", "superseded"),
        (2, "one", "fired"),
        (3, "both", "waiting"),
    ]
