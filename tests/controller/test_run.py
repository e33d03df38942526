"""The controller from manifest to result: births in a transaction, steps, watches, lists, ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest
from bireme.storage.ports import StorageUnavailable, Transaction
from controller.listing import ListQuery, query
from controller.ports import WorkflowExists, WorkflowNotFound
from controller.run import Options
from controller.submission import SubmitOptions
from controller.throttle import Limits
from tests.controller.scripted import fails, hangs, succeeds
from tests.controller.worlds import World, phases, steps, workflow

pytestmark = pytest.mark.looptime


async def test_a_workflow_runs_to_its_end(world: World) -> None:
    made = await world.controller.create(steps("a", "b"))
    assert made["status"]["phase"] == "Running"
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Succeeded"
    assert phases(found)["b"] == "Succeeded"
    assert [name.rpartition(".")[2] for name in world.executor.names] == ["a", "b"]
    labels = found["metadata"]["labels"]
    assert labels["workflows.argoproj.io/completed"] == "true"
    assert world.controller.live_count == 0


async def test_the_first_step_starts_when_the_firing_commits_and_not_when_it_fails(
    world: World,
) -> None:
    def failing(tx: Transaction) -> None:
        world.controller.submit(tx, steps("a"), "firing-1")
        raise RuntimeError("the sensor's own fault")

    with pytest.raises(RuntimeError):
        await world.database.write(failing)
    await asyncio.sleep(1)
    assert world.executor.started == []
    made = await world.fire(steps("a"), "firing-1")
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"


async def test_the_same_firing_makes_one_workflow(world: World) -> None:
    first = await world.fire(steps("a"), "firing-1")
    again = await world.fire(steps("a"), "firing-1")
    other = await world.fire(steps("a"), "firing-2")
    assert first == again
    assert other["name"] != first["name"]
    await world.end_of(first)
    await world.end_of(other)
    assert len(world.executor.started) == 2


async def test_a_name_that_is_taken_is_refused(world: World) -> None:
    named = steps("a", metadata={"name": "mine"})
    await world.end_of(await world.controller.create(named))
    with pytest.raises(WorkflowExists):
        await world.controller.create(named)
    with pytest.raises(WorkflowExists):
        await world.fire(named, "firing-1")


async def test_an_invalid_manifest_is_refused_with_its_problems_and_leaves_nothing(
    world: World,
) -> None:
    bad = workflow({"name": "main", "steps": [[{"name": "a", "template": "nowhere"}]]})
    with pytest.raises(InvalidManifest) as caught:
        await world.controller.create(bad)
    assert "nowhere" in str(caught.value)
    assert (await world.controller.list(ListQuery())).items == []


async def test_a_dry_run_is_checked_and_not_kept(world: World) -> None:
    made = await world.controller.create(steps("a"), SubmitOptions(server_dry_run=True))
    assert made["metadata"]["name"].startswith("wf-")
    assert world.executor.started == []
    with pytest.raises(WorkflowNotFound):
        await world.controller.get("default", made["metadata"]["name"])


async def test_parameters_of_a_submit_reach_the_step(world: World) -> None:
    template = {
        "name": "main",
        "container": {"image": "i", "command": ["echo", "{{workflow.parameters.who}}"]},
    }
    arguments = {"parameters": [{"name": "who", "value": "nobody"}]}
    for who in ("ann", "bob"):
        made = await world.controller.create(
            workflow(template, arguments=arguments), SubmitOptions(parameters=[f"who={who}"])
        )
        await world.end_of(made)
    commands = [task.template["container"]["command"][1] for task in world.executor.started]
    assert commands == ["ann", "bob"]


async def test_a_backend_that_refuses_a_step_gives_that_step_its_error(world: World) -> None:
    world.executor.refuse = OSError("no such runtime")
    found = await world.end_of(await world.controller.create(workflow()))
    assert found["status"]["phase"] == "Error"
    assert "no such runtime" in found["status"]["message"]


async def test_a_run_the_engine_cannot_bring_forward_ends_in_error_and_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.executor.outcome = hangs
    sick = await world.controller.create(workflow(metadata={"name": "sick"}))
    well = await world.controller.create(workflow(metadata={"name": "well"}))
    await asyncio.sleep(1)
    world.controller.live_run(sick["metadata"]["uid"]).run.nodes.clear()
    world.controller.live_run(sick["metadata"]["uid"]).run.index = None
    for task in world.executor.started:
        world.executor.finish(task, lambda task: fails(task))
    assert (await world.end_of(well))["status"]["phase"] == "Failed"
    found = await world.end_of(sick)
    assert found["status"]["phase"] == "Error"


async def test_a_full_disk_delays_a_run_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await world.controller.create(steps("a", "b", "c"))
    write, refused = world.database.write, 0

    async def full(work: Any) -> Any:
        nonlocal refused
        if refused < 4:
            refused += 1
            raise StorageUnavailable("disk full")
        return await write(work)

    monkeypatch.setattr(world.database, "write", full)
    found = await world.end_of(made)
    assert refused == 4
    assert found["status"]["phase"] == "Succeeded"
    assert len(world.executor.names) == 3


async def test_suspend_durations_pass_by_the_clock(world: World) -> None:
    began = world.clock.now()
    made = await world.controller.create(
        steps("pause", template="wait", suspend_for={"duration": "2h"})
    )
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Succeeded"
    assert (world.clock.now() - began).total_seconds() >= 7200


async def test_lists_are_filtered_sorted_and_paged(world: World) -> None:
    for name, labels in (("a", {"team": "x"}), ("b", {}), ("c", {"team": "x"})):
        await world.end_of(
            await world.controller.create(workflow(metadata={"name": name, "labels": labels}))
        )
        await asyncio.sleep(1)
    world.executor.outcome = hangs
    await world.controller.create(workflow(metadata={"name": "d", "namespace": "other"}))

    async def names(asked: ListQuery) -> list[str]:
        return [item["metadata"]["name"] for item in (await world.controller.list(asked)).items]

    assert await names(ListQuery()) == ["d", "c", "b", "a"]
    assert await names(query(label_selector="team=x")) == ["c", "a"]
    assert await names(query(label_selector="workflows.argoproj.io/completed!=true")) == ["d"]
    assert await names(query(namespace="default", name_prefix="b")) == ["b"]
    assert await names(ListQuery(phases=frozenset({"Succeeded"}))) == ["c", "b", "a"]
    page = await world.controller.list(query(namespace="default", limit=2))
    assert (len(page.items), page.continue_, page.remaining) == (2, "2", 1)
    rest = await world.controller.list(query(namespace="default", limit=2, continue_="2"))
    assert [item["metadata"]["name"] for item in rest.items] == ["a"]


async def test_a_watch_tells_birth_progress_and_deletion(world: World) -> None:
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        async for change in world.controller.watch(query(namespace="default")):
            seen.append((change.type, change.object["status"].get("phase", "")))
            if change.type == "DELETED":
                return

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0.1)
    made = await world.controller.create(workflow(metadata={"name": "w"}))
    await world.end_of(made)
    await asyncio.sleep(0.1)
    await world.controller.delete("default", "w")
    await following
    assert seen[0][0] == "ADDED"
    assert seen[-2:] == [("MODIFIED", "Succeeded"), ("DELETED", "Succeeded")]


async def test_deleting_a_running_workflow_stops_its_steps_and_forgets_it(world: World) -> None:
    world.executor.outcome = hangs
    await world.controller.create(workflow(metadata={"name": "w"}))
    await asyncio.sleep(1)
    await world.controller.delete("default", "w")
    assert world.executor.stopped == world.executor.forgotten == [world.executor.started[0].id]
    with pytest.raises(WorkflowNotFound):
        await world.controller.get("default", "w")
    assert await world.database.read("SELECT * FROM history") == []


async def test_logs_come_from_every_step(world: World) -> None:
    made = await world.controller.create(steps("a", "b", metadata={"name": "w"}))
    followed = [chunk async for chunk in world.controller.logs("default", "w", follow=True)]
    await world.end_of(made)
    told = [chunk async for chunk in world.controller.logs("default", "w")]
    assert [chunk.node_name for chunk in told] == ["w[0].a", "w[1].b"]
    assert {chunk.node for chunk in followed} == {chunk.node for chunk in told}


async def test_workflows_beyond_the_limit_wait_their_turn(world: World) -> None:
    await world.stop()
    world.options = Options(limits=Limits(total=1))
    world.executor.outcome = hangs
    await world.start()
    first = await world.controller.create(workflow(metadata={"name": "first"}))
    await world.controller.create(workflow(metadata={"name": "later"}))
    await asyncio.sleep(1)
    assert len(world.executor.started) == 1
    assert (await world.controller.get("default", "later"))["status"]["phase"] == "Pending"
    world.executor.outcome = fails
    world.executor.finish(world.executor.started[0])
    await world.end_of(first)
    assert (await world.end_of({"namespace": "default", "name": "later"}))["status"][
        "phase"
    ] == "Failed"


async def test_places_of_a_namespace_go_by_priority_and_who_waits_is_told_so(world: World) -> None:
    await world.stop()
    world.options = Options(limits=Limits(per_namespace=1))
    world.executor.outcome = hangs
    await world.start()
    for name, namespace, priority in (
        ("first", "default", 0), ("low", "default", 1), ("high", "default", 5), ("far", "other", 0),
    ):  # fmt: skip
        made = {"name": name, "namespace": namespace}
        await world.controller.create(workflow(metadata=made, priority=priority))
    await asyncio.sleep(1)
    assert [task.workflow for task in world.executor.started] == ["first", "far"]
    status = (await world.controller.get("default", "high"))["status"]
    assert (status["phase"], status["message"]) == (
        "Pending",
        "Workflow processing has been postponed because too many workflows are already running",
    )
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    await world.end_of({"namespace": "default", "name": "low"})
    assert [task.workflow for task in world.executor.started][2:] == ["high", "low"]


async def test_a_workflow_is_forgotten_when_its_time_to_live_is_over(world: World) -> None:
    made = await world.controller.create(
        workflow(metadata={"name": "w"}, ttlStrategy={"secondsAfterSuccess": 30})
    )
    await world.end_of(made)
    await asyncio.sleep(25)
    assert (await world.controller.get("default", "w"))["status"]["phase"] == "Succeeded"
    await asyncio.sleep(10)
    assert (await world.controller.list(ListQuery())).items == []
    with pytest.raises(WorkflowNotFound):
        await world.controller.operate("default", "w", "retry")


async def test_a_template_is_frozen_into_the_run_that_refers_to_it(world: World) -> None:
    template = workflow(
        metadata={"name": "t", "namespace": "default"},
        arguments={"parameters": [{"name": "p", "value": "low"}]},
    )
    template["spec"]["templates"][0]["container"]["args"] = ["{{workflow.parameters.p}}"]
    world.controller.shelf.apply({**template, "kind": "WorkflowTemplate"})
    made = await world.controller.create_from(
        "wftmpl", "default", "t", SubmitOptions(parameters=["p=high"])
    )
    world.controller.shelf.remove("WorkflowTemplate", "default", "t")
    found = await world.end_of(made)
    assert found["metadata"]["labels"]["workflows.argoproj.io/workflow-template"] == "t"
    assert found["status"]["storedWorkflowTemplateSpec"]["entrypoint"] == "echo"
    assert world.executor.started[0].template["container"]["args"] == ["high"]
    with pytest.raises(InvalidManifest, match="not found"):
        await world.controller.create(workflow() | {"spec": {"workflowTemplateRef": {"name": "t"}}})


async def test_labels_a_workflow_gives_itself_are_seen_and_selected(world: World) -> None:
    made = await world.controller.create(
        workflow(metadata={"name": "w"}, workflowMetadata={"labels": {"team": "x"}})
    )
    assert (await world.end_of(made))["metadata"]["labels"]["team"] == "x"
    page = await world.controller.list(query(label_selector="team=x"))
    assert [item["metadata"]["name"] for item in page.items] == ["w"]
    assert page.items[0]["metadata"]["labels"]["team"] == "x"


async def test_a_workflow_is_estimated_by_the_last_like_it_even_after_a_restart(
    tmp_path: Path,
) -> None:
    world = await World(tmp_path).start()
    nap = {"name": "nap", "suspend": {"duration": "40s"}}
    template = {**workflow(nap, metadata={"name": "t"}), "kind": "WorkflowTemplate"}
    world.controller.shelf.apply(template)

    async def create() -> dict[str, Any]:
        return await world.controller.create_from("wftmpl", "default", "t", SubmitOptions())

    first = await create()
    assert "estimatedDuration" not in first["status"]
    await world.end_of(first)
    assert (await create())["status"]["estimatedDuration"] == 40
    await world.crash()
    await world.start()
    world.controller.shelf.apply(template)
    assert (await create())["status"]["estimatedDuration"] == 40
    assert "estimatedDuration" not in (await world.controller.create(workflow()))["status"]
    await world.stop()


async def test_those_who_follow_a_run_that_breaks_see_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_(*given: Any) -> Any:
        raise RuntimeError("a fault of the engine")

    made = await world.controller.create(steps("a", "b"))
    monkeypatch.setattr("controller.steps.advance", break_)
    metadata = made["metadata"]
    asked = ListQuery(namespace=metadata["namespace"], name=metadata["name"])
    async with asyncio.timeout(60):
        async for change in world.controller.watch(asked):
            if change.object["status"]["phase"] == "Error":
                break
    assert change.object["status"]["message"] == "RuntimeError: a fault of the engine"
    assert (await world.end_of(made))["status"]["phase"] == "Error"
