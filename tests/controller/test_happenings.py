"""The events of a workflow are its history: nothing is written for them."""

import pytest

from controller import happenings
from tests.controller.scripted import fails
from tests.controller.worlds import World, steps, workflow

pytestmark = pytest.mark.looptime


async def reasons(world: World, name: str) -> list[tuple[str, str]]:
    history = await world.controller.reading.history("default", name)
    return [(event["reason"], event["message"]) for event in happenings.of_history(history)]


async def test_every_phase_of_workflow_and_nodes_is_an_event_in_order(world: World) -> None:
    await world.end_of(await world.controller.create(steps("a", metadata={"name": "w"})))
    found = await reasons(world, "w")
    assert ("WorkflowRunning", "Workflow Running") in found
    assert ("WorkflowNodeSucceeded", "Succeeded node w[0].a") in found
    assert ("WorkflowSucceeded", "Workflow completed") in found
    order = [reason for reason, _ in found]
    assert order.index("WorkflowRunning") < order.index("WorkflowSucceeded")


async def test_failures_are_warnings_with_their_message(world: World) -> None:
    world.executor.outcome = fails
    await world.end_of(await world.controller.create(steps("a", metadata={"name": "w"})))
    history = await world.controller.reading.history("default", "w")
    events = {event["message"]: event for event in happenings.of_history(history)}
    failed = events["Failed node w[0].a: exit code 1"]
    assert (failed["type"], failed["node"]) == ("Warning", "w[0].a")
    assert any(event["reason"] == "WorkflowFailed" for event in events.values())


WAITING = {"name": "main", "steps": [[{"name": "s", "template": "wait"}]]}


async def test_what_people_ask_for_is_told(world: World) -> None:
    await world.controller.create(workflow(WAITING, metadata={"name": "w"}))
    await world.controller.operate("default", "w", "suspend", {"by": {"user": "ann"}})
    assert ("WorkflowSuspend", "suspend was asked for by ann") in await reasons(world, "w")


async def test_a_deadline_is_told(world: World) -> None:
    made = workflow(WAITING, metadata={"name": "w"}, activeDeadlineSeconds=60)
    await world.end_of(await world.controller.create(made))
    assert "WorkflowTimedOut" in [reason for reason, _ in await reasons(world, "w")]
