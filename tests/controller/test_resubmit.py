"""Resubmitting what went wrong, with what succeeded: only the rest is done, under names of its own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.dag.model import OperationRefused
from controller.run import Options
from controller.throttle import Limits
from executor.model import Outputs, Report, Task
from tests.controller.scripted import AT, fails, hangs, succeeds
from tests.controller.worlds import Json, World, phases, workflow

pytestmark = pytest.mark.looptime
MEMOIZED = {"memoized": True}


def says_its_name(task: Task) -> Report:
    name = task.node_name.rpartition(".")[2]
    left = Outputs(exit_code="0", result=f"by {name}")
    return Report(task=task.id, state="succeeded", at=AT, outputs=left)


def all_but(*names: str) -> Any:
    """Steps of these names fail, the others say their names."""
    return lambda task: (
        fails(task) if task.node_name.rpartition(".")[2] in names else says_its_name(task)
    )


def pipeline(**spec: Any) -> Json:
    """b and d need a, c needs b and both results; in one dag."""
    say = {"name": "m", "value": "{{tasks.a.outputs.result}}"}
    tasks = [
        {"name": "a", "template": "tell"},
        {"name": "b", "template": "told", "depends": "a.Succeeded", "arguments": {"parameters": [say]}},
        {"name": "d", "template": "echo", "depends": "a"},
        {
            "name": "c", "template": "told", "depends": "b && d.Succeeded",
            "arguments": {"parameters": [{"name": "m", "value": "{{tasks.d.status}}, {{tasks.a.outputs.result}}"}]},
        },
    ]  # fmt: skip
    body = {"image": "i", "command": ["echo"]}
    told = {
        "name": "told",
        "inputs": {"parameters": [{"name": "m"}]},
        "container": {**body, "args": ["{{inputs.parameters.m}}"]},
    }
    tell = {"name": "tell", "container": body}
    return workflow({"name": "main", "dag": {"tasks": tasks}}, told, tell, **spec)


def last_words(world: World, step: str) -> str:
    """The argument of the newest step of that name."""
    task = [t for t in world.executor.started if t.node_name.endswith(f".{step}")][-1]
    text: str = task.template["container"]["args"][0]
    return text


async def failed(world: World, made: Json, *steps: str) -> Json:
    world.executor.outcome = all_but(*steps)
    ended = await world.end_of(await world.controller.create(made))
    assert ended["status"]["phase"] == "Failed"
    world.executor.started.clear()
    world.executor.outcome = all_but()
    return ended


async def test_only_what_had_not_succeeded_is_done_and_it_sees_what_had(world: World) -> None:
    old = await failed(world, pipeline(metadata={"generateName": "w-"}), "b")
    made = await world.controller.operate("default", old["metadata"]["name"], "resubmit", MEMOIZED)
    assert made["uid"] != old["metadata"]["uid"]
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Succeeded"
    name = made["name"]
    assert world.executor.names == [f"{name}.b", f"{name}.c"]
    assert last_words(world, "b") == "by a"
    assert last_words(world, "c") == "Succeeded, by a"
    nodes = {node["displayName"]: node for node in found["status"]["nodes"].values()}
    before = {node["displayName"]: node for node in old["status"]["nodes"].values()}
    assert nodes["a"]["message"] == f"original pod: {before['a']['id']}"
    assert nodes["a"]["outputs"] == before["a"]["outputs"]
    assert "message" not in nodes["b"]
    assert nodes.keys() == {name, *"abcd"}
    assert not set(found["status"]["nodes"]) & set(old["status"]["nodes"])


async def test_what_succeeded_cannot_be_resubmitted_with_what_succeeded(world: World) -> None:
    world.executor.outcome = all_but()
    await world.end_of(await world.controller.create(pipeline(metadata={"name": "w"})))
    with pytest.raises(OperationRefused, match="must be Failed/Error"):
        await world.controller.operate("default", "w", "resubmit", MEMOIZED)
    world.executor.outcome = hangs
    await world.controller.create(pipeline(metadata={"name": "x"}))
    with pytest.raises(OperationRefused, match="must be Failed/Error"):
        await world.controller.operate("default", "x", "resubmit", MEMOIZED)


async def test_a_crash_right_after_loses_nothing_of_it(world: World) -> None:
    await failed(world, pipeline(metadata={"name": "w"}), "b", "d")
    world.executor.outcome = hangs
    made = await world.controller.operate("default", "w", "resubmit", MEMOIZED)
    before = await world.controller.get("default", made["name"])
    await world.crash()
    await world.start()
    assert await world.controller.get("default", made["name"]) == before
    for task in list(world.executor.started):
        world.executor.finish(task, succeeds)
    world.executor.outcome = succeeds
    assert phases(await world.end_of(made))["c"] == "Succeeded"
    assert sorted(name.rpartition(".")[2] for name in world.executor.names) == ["b", "c", "d"]


async def test_it_waits_for_its_turn_with_all_that_it_keeps(tmp_path: Path) -> None:
    world = await World(tmp_path, Options(limits=Limits(total=1))).start()
    await failed(world, pipeline(metadata={"name": "w"}), "b")
    world.executor.outcome = hangs
    await world.controller.create(workflow(metadata={"name": "first"}))
    made = await world.controller.operate("default", "w", "resubmit", MEMOIZED)
    await asyncio.sleep(1)
    await world.crash()
    await world.start()
    await asyncio.sleep(1)
    assert (await world.controller.get("default", made["name"]))["status"]["phase"] == "Pending"
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    assert [name.rpartition(".")[2] for name in world.executor.names] == ["first", "b", "c"]
    await world.stop()


async def test_loops_and_groups_keep_the_rounds_that_succeeded(world: World) -> None:
    loop = {"name": "each", "template": "tell", "withItems": ["x", "y", "z"]}
    after = {
        "name": "after",
        "template": "told",
        "arguments": {"parameters": [{"name": "m", "value": "{{steps.each.outputs.result}}"}]},
    }
    made = pipeline(metadata={"name": "w"})
    made["spec"]["templates"][0] = {"name": "main", "steps": [[loop], [after]]}
    world.executor.outcome = lambda task: (
        fails(task) if "(1:y)" in task.node_name else numbered(task)
    )
    await world.end_of(await world.controller.create(made))
    world.executor.started.clear()
    world.executor.outcome = numbered
    again = await world.controller.operate("default", "w", "resubmit", MEMOIZED)
    assert (await world.end_of(again))["status"]["phase"] == "Succeeded"
    assert [name.rpartition(".")[2] for name in world.executor.names] == ["each(1:y)", "after"]
    assert last_words(world, "after") == "[0,1,2]"


def numbered(task: Task) -> Report:
    number = task.node_name.partition("(")[2][:1] or "9"
    return Report(
        task=task.id, state="succeeded", at=AT, outputs=Outputs(exit_code="0", result=number)
    )


async def test_new_parameters_reach_what_is_done_anew(world: World) -> None:
    arguments = {"parameters": [{"name": "p", "value": "old"}]}
    made = pipeline(metadata={"name": "w"}, arguments=arguments)
    made["spec"]["templates"][1]["container"]["args"] = ["{{workflow.parameters.p}}"]
    await failed(world, made, "b")
    given = {**MEMOIZED, "parameters": ["p=new"]}
    again = await world.controller.operate("default", "w", "resubmit", given)
    await world.end_of(again)
    assert last_words(world, "b") == "new"
    assert len(world.executor.started) == 2


async def test_from_the_archive_and_once_per_firing(world: World) -> None:
    old = await failed(
        world, pipeline(metadata={"name": "w"}, ttlStrategy={"secondsAfterCompletion": 5}), "b"
    )
    made = [
        await world.controller.operate("default", "w", "resubmit", MEMOIZED, firing)
        for firing in ("f1", "f1")
    ]
    assert made[0]["uid"] == made[1]["uid"]
    await world.end_of(made[0])
    await asyncio.sleep(60)
    world.executor.started.clear()
    again = await world.controller.archive.operate(old["metadata"]["uid"], "resubmit", MEMOIZED)
    assert (await world.end_of(again))["status"]["phase"] == "Succeeded"
    assert [name.rpartition(".")[2] for name in world.executor.names] == ["b", "c"]


async def test_a_template_that_has_changed_since_is_not_built_on(world: World) -> None:
    made = pipeline(metadata={"name": "w"})
    template = {"kind": "WorkflowTemplate", "metadata": {"name": "t"}, "spec": made["spec"]}
    world.controller.shelf.apply(template)
    made["spec"] = {"workflowTemplateRef": {"name": "t"}}
    await failed(world, made, "b")
    again = await world.controller.operate("default", "w", "resubmit", MEMOIZED)
    assert (await world.end_of(again))["status"]["phase"] == "Succeeded"
    changed = pipeline()["spec"]
    changed["templates"][2]["container"]["image"] = "another"
    world.controller.shelf.apply({**template, "spec": changed})
    with pytest.raises(OperationRefused, match="has changed since"):
        await world.controller.operate("default", "w", "resubmit", MEMOIZED)
    assert len((await world.controller.list(_all())).items) == 2


def _all() -> Any:
    from controller.listing import ListQuery

    return ListQuery()
