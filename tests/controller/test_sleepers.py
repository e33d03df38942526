"""Runs that wait leave memory, and nobody can tell: not who lists them, not who resumes them, not after a crash."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from controller import listing, waking
from controller.ports import WorkflowNotFound
from controller.run import Options
from controller.store import RunReader
from controller.throttle import Limits
from tests.controller.scripted import hangs, succeeds
from tests.controller.worlds import Json, World, phases, workflow

pytestmark = pytest.mark.looptime

ALL = listing.ListQuery()


def approval(**spec: Any) -> Json:
    """A step, a pause that only a person ends, a step."""
    one, two, three = (
        [{"name": name, "template": template}]
        for name, template in (("a", "echo"), ("ok", "wait"), ("b", "echo"))
    )
    return workflow({"name": "main", "steps": [one, two, three]}, **spec)


def is_in_memory(world: World, made: Json) -> bool:
    try:
        world.controller.live_run(made["metadata"]["uid"])
    except KeyError:
        return False
    return True


async def told(world: World, name: str) -> tuple[Json, list[Json]]:
    return await world.controller.get("default", name), (await world.controller.list(ALL)).items


async def test_a_run_that_waits_for_a_person_leaves_memory_and_goes_on_when_resumed(
    world: World,
) -> None:
    made = await world.controller.create(approval())
    await asyncio.sleep(1)
    assert not is_in_memory(world, made)
    assert world.controller.live_count == 1
    await world.controller.operate("default", made["metadata"]["name"], "resume")
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Succeeded"
    assert world.executor.names == [
        f"{made['metadata']['name']}[{i}].{n}" for i, n in ((0, "a"), (2, "b"))
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"workflowMetadata": {"labels": {"own": "label"}, "annotations": {"own": "note"}}},
        {"activeDeadlineSeconds": 86_400},
        {"suspend": True},
    ],
)
async def test_a_run_is_told_alike_in_memory_and_asleep(world: World, spec: Json) -> None:
    made = await world.controller.create(approval(metadata={"name": "wf"}, **spec))
    live = world.controller.live_run(made["metadata"]["uid"])
    await asyncio.sleep(1)
    assert not is_in_memory(world, made)
    asleep = await told(world, "wf")
    world.controller._steps.live[live.uid] = live  # the run itself, as it was when it fell asleep
    assert await told(world, "wf") == asleep


async def test_after_a_crash_nothing_of_a_sleeping_run_is_read_until_it_is_touched(
    world: World,
) -> None:
    made = await world.controller.create(approval())
    await asyncio.sleep(1)
    before = await told(world, made["metadata"]["name"])
    await world.crash()
    await world.start()
    assert not is_in_memory(world, made)
    assert world.controller.live_count == 1
    assert await told(world, made["metadata"]["name"]) == before
    ending = asyncio.ensure_future(world.end_of(made))
    await world.controller.operate("default", made["metadata"]["name"], "resume")
    assert phases(await ending)["b"] == "Succeeded"


@pytest.mark.parametrize("limit", [{"duration": "3600"}, {}])
async def test_a_moment_is_not_missed_because_the_run_sleeps_through_a_crash(
    world: World, limit: Json
) -> None:
    made = await world.controller.create(
        approval(suspend_for=limit, activeDeadlineSeconds=7200, metadata={"name": "wf"})
    )
    await asyncio.sleep(1)
    assert not is_in_memory(world, made)
    await world.crash()
    await asyncio.sleep(1000)
    await world.start()
    assert not is_in_memory(world, made)
    found = await world.end_of(made)
    assert found["status"]["phase"] == ("Succeeded" if limit else "Failed")
    begun, over = (
        datetime.fromisoformat(found["status"][key]) for key in ("startedAt", "finishedAt")
    )
    assert (over - begun).total_seconds() == pytest.approx(3600 if limit else 7200, abs=2)


async def test_a_row_of_a_sleeper_that_has_gone_on_is_not_believed(world: World) -> None:
    made = await world.controller.create(approval())
    await asyncio.sleep(1)
    world.executor.outcome = hangs
    await world.controller.operate("default", made["metadata"]["name"], "resume")
    await asyncio.sleep(1)
    await world.crash()
    await world.start()
    assert is_in_memory(world, made)
    world.executor.finish(world.executor.started[-1], succeeds)
    assert phases(await world.end_of(made))["b"] == "Succeeded"
    assert len(world.executor.started) == 2


async def test_a_sleeping_run_counts_against_the_limits_after_a_restart(tmp_path: Path) -> None:
    world = await World(tmp_path, Options(limits=Limits(total=1))).start()
    first = await world.controller.create(approval(metadata={"name": "first"}))
    second = await world.controller.create(workflow(metadata={"name": "second"}))
    await asyncio.sleep(1)
    await world.crash()
    await world.start()
    await asyncio.sleep(1)
    assert not is_in_memory(world, first)
    assert (await world.controller.get("default", "second"))["status"]["phase"] == "Pending"
    await world.controller.operate("default", "first", "stop")
    assert (await world.end_of(second))["status"]["phase"] == "Succeeded"
    await world.stop()


async def test_a_lock_that_a_waiting_run_holds_is_given_to_nobody_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "AT_ONCE", 0)
    lock = {"synchronization": {"mutexes": [{"name": "m"}]}}
    await world.controller.create(approval(metadata={"name": "holder"}, **lock))
    await asyncio.sleep(1)
    await world.crash()
    await world.start()
    other = await world.controller.create(workflow(metadata={"name": "other"}, **lock))
    await asyncio.sleep(1)
    assert (await world.controller.get("default", "other"))["status"]["phase"] == "Pending"
    await world.controller.operate("default", "holder", "resume")
    assert (await world.end_of(other))["status"]["phase"] == "Succeeded"
    assert [name.partition("[")[0] for name in world.executor.names] == [
        "holder",
        "holder",
        "other",
    ]


async def test_every_run_can_be_asked_for_anything_while_others_still_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "AT_ONCE", 1)
    monkeypatch.setattr(waking, "BATCH", 1)
    world = World(tmp_path)
    world.executor.outcome = hangs
    await world.start()
    made = [await world.controller.create(workflow(metadata={"name": f"w{i}"})) for i in range(9)]
    await asyncio.sleep(1)
    before = await told(world, "w8")
    await world.crash()
    await world.start()
    await world.controller.operate("default", "w7", "stop")
    assert [task.partition("/")[0] for task in world.executor.stopped] == [
        made[7]["metadata"]["uid"]
    ]
    after = await told(world, "w8")
    assert after[0] == before[0]
    others = [item for item in before[1] if item["metadata"]["name"] != "w7"]
    assert [item for item in after[1] if item["metadata"]["name"] != "w7"] == others
    for task in world.executor.started:
        world.executor.finish(task, succeeds)
    ended = [await world.end_of(one) for one in made]
    assert len(world.executor.started) == 9
    assert all(one["status"]["phase"] in ("Succeeded", "Failed") for one in ended)
    await world.stop()


async def test_a_run_that_waits_to_be_admitted_can_be_stopped_while_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "AT_ONCE", 0)
    world = World(tmp_path, Options(limits=Limits(total=1)))
    world.executor.outcome = hangs
    await world.start()
    await world.controller.create(workflow(metadata={"name": "first"}))
    made = await world.controller.create(workflow(metadata={"name": "second"}))
    await asyncio.sleep(1)
    await world.crash()
    await world.start()
    async with asyncio.timeout(10):
        await world.controller.operate("default", "second", "suspend")
    found = await world.controller.get("default", "second")
    assert (found["spec"]["suspend"], found["status"]["phase"]) == (True, "Pending")
    world.executor.finish(world.executor.started[0], succeeds)
    await asyncio.sleep(1)
    await world.controller.operate("default", "second", "stop")
    assert (await world.end_of(made))["status"]["phase"] == "Failed"
    await world.stop()


async def test_an_executor_that_is_away_at_a_start_is_asked_until_it_answers(world: World) -> None:
    world.executor.outcome = hangs
    made = await world.controller.create(workflow(metadata={"name": "wf"}))
    await asyncio.sleep(1)
    await world.crash()
    world.executor.finish(world.executor.started[0], succeeds)
    world.executor.away = 3
    await world.start()
    assert world.executor.away == 0
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    assert len(world.executor.started) == 1


async def test_a_sleeping_run_can_be_deleted(world: World) -> None:
    made = await world.controller.create(approval(metadata={"name": "wf"}))
    await asyncio.sleep(1)
    await world.controller.delete("default", "wf")
    with pytest.raises(WorkflowNotFound):
        await world.controller.get("default", "wf")
    assert world.controller.live_count == 0
    assert await world.database.read("SELECT run FROM sleepers") == []
    assert not is_in_memory(world, made)


async def test_a_sleeping_run_whose_history_is_spoilt_ends_in_error_for_all_who_wait(
    world: World,
) -> None:
    made = await world.controller.create(approval(metadata={"name": "wf"}))
    await asyncio.sleep(1)
    waiting = asyncio.ensure_future(world.end_of(made))
    await asyncio.sleep(1)
    uid = made["metadata"]["uid"]
    await world.database.write(
        lambda tx: tx.execute("UPDATE history SET entry=? WHERE run=?", (b"\xc1", uid))
    )
    with pytest.raises(WorkflowNotFound):
        await world.controller.operate("default", "wf", "resume")
    found = await waiting
    assert found["status"]["phase"] == "Error"
    assert "cannot be recovered" in found["status"]["message"]
    assert world.controller.live_count == 0


@pytest.mark.parametrize("seed", range(8))
async def test_approvals_are_kept_and_steps_run_once_whenever_the_controller_dies(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    world = await World(tmp_path).start()
    names = [f"w{i}" for i in range(6)]
    for name in names:
        await world.controller.create(approval(metadata={"name": name}))
    for name in names:
        approving = asyncio.ensure_future(world.controller.operate("default", name, "resume"))
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        if chance.random() < 0.6:
            await world.crash()
            await world.start()
            await asyncio.gather(approving, return_exceptions=True)
            await asyncio.sleep(chance.choice([0, 1]))
    for name in names:
        found = await world.controller.get("default", name)
        while phases(found).get("ok") not in ("Running", "Succeeded"):
            await asyncio.sleep(1)
            found = await world.controller.get("default", name)
        if phases(found)["ok"] == "Running":
            await world.controller.operate("default", name, "resume")
        assert (await world.end_of(found))["status"]["phase"] == "Succeeded"
    started = [task.id for task in world.executor.started]
    assert len(started) == len(set(started)) == 12
    await world.stop()


async def test_a_run_that_cannot_be_read_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.executor.outcome = hangs
    sick, well = [
        await world.controller.create(workflow(metadata={"name": name}))
        for name in ("sick", "well")
    ]
    await asyncio.sleep(1)
    await world.crash()
    for task in world.executor.started:
        world.executor.finish(task, succeeds)
    read = RunReader.histories

    async def spoilt(self: RunReader, uids: Sequence[str]) -> Any:
        if sick["metadata"]["uid"] in uids:
            raise ValueError("of a kind that nobody thought of")
        return await read(self, uids)

    monkeypatch.setattr(RunReader, "histories", spoilt)
    await world.start()
    assert (await world.end_of(well))["status"]["phase"] == "Succeeded"
    world.executor.outcome = succeeds
    fresh = await world.controller.create(workflow(metadata={"name": "fresh"}))
    assert (await world.end_of(fresh))["status"]["phase"] == "Succeeded"
    await world.crash()
    monkeypatch.setattr(RunReader, "histories", read)
    await world.start()
    assert (await world.end_of(sick))["status"]["phase"] == "Succeeded"
