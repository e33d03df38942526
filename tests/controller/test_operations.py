"""What people do to workflows, and what they may not."""

import asyncio

import pytest

from controller.ports import BadOption, WrongState
from tests.controller.scripted import fails, hangs, succeeds
from tests.controller.worlds import World, phases, steps, workflow

pytestmark = pytest.mark.looptime


async def test_a_suspended_step_goes_on_when_resumed(world: World) -> None:
    made = await world.controller.create(steps("approve", template="wait", metadata={"name": "w"}))
    await asyncio.sleep(1)
    assert phases(await world.controller.get("default", "w"))["approve"] == "Running"
    await world.controller.operate("default", "w", "resume")
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"


async def test_a_suspended_workflow_starts_nothing_until_resumed(world: World) -> None:
    world.executor.outcome = hangs
    made = await world.controller.create(steps("a", "b", metadata={"name": "w"}))
    await asyncio.sleep(1)
    await world.controller.operate("default", "w", "suspend")
    assert (await world.controller.get("default", "w"))["spec"]["suspend"] is True
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    await asyncio.sleep(5)
    assert len(world.executor.started) == 1
    await world.controller.operate("default", "w", "resume")
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    assert len(world.executor.started) == 2


@pytest.mark.parametrize(("operation", "word"), [("stop", "Stop"), ("terminate", "Terminate")])
async def test_a_shut_down_workflow_fails_and_its_steps_are_stopped(
    world: World, operation: str, word: str
) -> None:
    world.executor.outcome = hangs
    made = await world.controller.create(workflow(metadata={"name": "w"}))
    await asyncio.sleep(1)
    await world.controller.operate("default", "w", operation)
    assert (await world.controller.get("default", "w"))["spec"].get("shutdown") == word
    assert world.executor.stopped == [world.executor.started[0].id]
    world.executor.finish(world.executor.started[0], fails)
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Failed"
    assert word in found["status"]["message"]


async def test_a_finished_workflow_refuses_what_needs_a_live_one(world: World) -> None:
    await world.end_of(await world.controller.create(workflow(metadata={"name": "w"})))
    with pytest.raises(WrongState, match="cannot suspend completed workflows"):
        await world.controller.operate("default", "w", "suspend")
    with pytest.raises(WrongState, match="cannot shutdown a completed workflow"):
        await world.controller.operate("default", "w", "stop")
    with pytest.raises(BadOption, match="known: "):
        await world.controller.operate("default", "w", "explode")


async def test_an_operation_the_engine_refuses_changes_nothing(world: World) -> None:
    await world.controller.create(steps("approve", template="wait", metadata={"name": "w"}))
    await asyncio.sleep(1)
    with pytest.raises(Exception, match="no suspend nodes matching"):
        await world.controller.operate(
            "default", "w", "resume", {"nodeFieldSelector": "displayName=other"}
        )
    assert phases(await world.controller.get("default", "w"))["approve"] == "Running"


async def test_a_failed_workflow_is_retried_in_place(world: World) -> None:
    world.executor.outcome = lambda task: (
        fails(task) if task.node_name.endswith("b") else succeeds(task)
    )
    made = await world.controller.create(steps("a", "b", "c", metadata={"name": "w"}))
    assert (await world.end_of(made))["status"]["phase"] == "Failed"
    world.executor.outcome = succeeds
    again = await world.controller.operate("default", "w", "retry")
    assert again["uid"] == made["metadata"]["uid"]
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Succeeded"
    ran = [name.rpartition(".")[2] for name in world.executor.names]
    assert ran.count("a") == 1
    assert ran[-1] == "c"


async def test_a_resubmitted_workflow_is_a_new_one_with_new_parameters(world: World) -> None:
    arguments = {"parameters": [{"name": "p", "value": "old"}]}
    old = await world.controller.create(workflow(metadata={"name": "w"}, arguments=arguments))
    await world.end_of(old)
    made = await world.controller.operate("default", "w", "resubmit", {"parameters": ["p=new"]})
    assert made["uid"] != old["metadata"]["uid"]
    found = await world.end_of(made)
    assert found["metadata"]["labels"]["workflows.argoproj.io/resubmitted-from-workflow"] == "w"
    assert found["spec"]["arguments"]["parameters"][0]["value"] == "new"


async def test_the_same_firing_resubmits_once(world: World) -> None:
    old = await world.controller.create(workflow(metadata={"name": "w"}))
    await world.end_of(old)
    given = {"firing": "somebody else's"}
    made = [
        await world.controller.operate("default", "w", "resubmit", given, firing)
        for firing in ("f1", "f1", "f2", "", "")
    ]
    uids = [one["uid"] for one in made]
    assert uids[0] == uids[1]
    assert len(set(uids)) == 4
