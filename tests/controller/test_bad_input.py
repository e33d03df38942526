"""Input beyond measure: one clear error on the workflow concerned, and the others go on."""

import asyncio
import json
from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest, UserError
from tests.controller.test_cron import cron
from tests.controller.worlds import World, workflow

pytestmark = pytest.mark.looptime


async def ending(world: World, *templates: dict[str, Any], **spec: Any) -> tuple[str, str]:
    """Phase of the workflow, and what its nodes and itself have to say; another one ends well beside it."""
    made = await world.controller.create(workflow(*templates, **spec))
    beside = await world.controller.create(workflow())
    status = (await world.end_of(made))["status"]
    assert (await world.end_of(beside))["status"]["phase"] == "Succeeded"
    said = [node.get("message", "") for node in status.get("nodes", {}).values()]
    return status["phase"], " | ".join([status.get("message", ""), *filter(None, said)])


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"name": "call", "template": name, **more}


async def test_steps_that_call_themselves_without_end_are_stopped(world: World) -> None:
    phase, said = await ending(world, {"name": "main", "steps": [[call("main")]]})
    assert phase in ("Failed", "Error")
    assert "Maximum recursion depth exceeded" in said


async def test_tasks_that_call_each_other_without_end_are_stopped(world: World) -> None:
    one = {"name": "one", "dag": {"tasks": [call("two")]}}
    two = {"name": "two", "dag": {"tasks": [call("one")]}}
    phase, said = await ending(world, one, two)
    assert phase in ("Failed", "Error")
    assert "Maximum recursion depth exceeded" in said


LOOPS = {
    "a sequence of a million": {"withSequence": {"count": "1000000"}},
    "a sequence down from a million": {"withSequence": {"start": "1000000", "end": "1"}},
    "a parameter with half a million items": {"withParam": json.dumps([0] * 500_000)},
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
async def test_a_fan_out_beyond_measure_is_refused_by_its_size(
    world: World, loop: dict[str, Any]
) -> None:
    phase, said = await ending(world, {"name": "main", "steps": [[call("echo", **loop)]]})
    assert phase in ("Failed", "Error")
    assert "a loop may have 250000" in said


async def test_a_parameter_of_ten_megabytes_arrives_whole(world: World) -> None:
    value = "ä" * 5_000_000
    main = {
        "name": "main",
        "inputs": {"parameters": [{"name": "p"}]},
        "container": {"image": "x", "command": ["echo"], "args": ["{{inputs.parameters.p}}"]},
    }
    given = {"parameters": [{"name": "p", "value": value}]}
    made = await world.controller.create(workflow(main, arguments=given))
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    assert world.executor.started[0].template["container"]["args"] == [value]


ODD = 'line one\nline two\ttab "quoted" \\ back \U0001f6f6 ümläut \u2028 {{ not a tag }} 日本語'


async def test_texts_of_every_kind_pass_through_arguments_loops_and_a_crash(world: World) -> None:
    step = {
        "name": "each",
        "template": "show",
        "withItems": [ODD, "\n", "a: b, c"],
        "arguments": {"parameters": [{"name": "p", "value": "{{item}}"}]},
    }
    show = {
        "name": "show",
        "inputs": {"parameters": [{"name": "p"}]},
        "container": {"image": "x", "command": ["echo"], "args": ["{{inputs.parameters.p}}"]},
    }
    metadata = {"generateName": "odd-", "annotations": {"note": ODD}}
    made = await world.controller.create(
        workflow({"name": "main", "steps": [[step]]}, show, metadata=metadata)
    )
    await world.crash()
    await world.start()
    ended = await world.end_of(made)
    assert ended["status"]["phase"] == "Succeeded"
    args = {task.template["container"]["args"][0] for task in world.executor.started}
    assert args == {ODD, "\n", "a: b, c"}
    assert ended["metadata"]["annotations"]["note"] == ODD


async def test_tasks_in_a_circle_are_refused_at_once(world: World) -> None:
    tasks = [
        {"name": "a", "template": "echo", "dependencies": ["b"]},
        {"name": "b", "template": "echo", "dependencies": ["a"]},
    ]
    with pytest.raises(InvalidManifest, match="cycle"):
        await world.controller.create(workflow({"name": "main", "dag": {"tasks": tasks}}))


@pytest.mark.parametrize(
    "schedule",
    ["every day", "* * * *", "61 * * * *", "@fortnightly", "CRON_TZ=Mars/Base * * * * *", ""],
)
async def test_a_malformed_schedule_is_refused_and_the_others_fire(
    world: World, schedule: str
) -> None:
    await world.cron.apply(cron("fine"))
    with pytest.raises(UserError):
        await world.cron.apply(cron("broken", schedule=schedule))
    await asyncio.sleep(65)
    assert (await world.cron.get("default", "fine"))["status"]["succeeded"] == 1
