"""Which artifacts are deleted, when; and that they are."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from controller import artifact_gc
from controller.artifact_gc import COMPLETION, DELETION
from executor.model import Outputs, Report, Task
from tests.controller.scripted import AT, ScriptedExecutor
from tests.controller.worlds import World, workflow

SPEC: dict[str, Any] = {"artifactGC": {"strategy": COMPLETION}}


def artifact(name: str, key: str, strategy: str = "") -> dict[str, Any]:
    own = {"artifactGC": {"strategy": strategy}} if strategy else {}
    return {"name": name, "path": f"/{name}", "local": {"key": key}, **own}


def node(*artifacts: dict[str, Any]) -> dict[str, Any]:
    return {"outputs": {"artifacts": list(artifacts)}}


STRATEGIES = {
    "the workflow's": (SPEC, {}, COMPLETION),
    "the artifact's first": (SPEC, {"artifactGC": {"strategy": "Never"}}, "Never"),
    "neither": ({}, {}, "Never"),
    "empty texts": ({"artifactGC": {"strategy": ""}}, {"artifactGC": {"strategy": ""}}, "Never"),
    "only the artifact's": ({}, {"artifactGC": {"strategy": DELETION}}, DELETION),
}


@pytest.mark.parametrize("case", STRATEGIES)
def test_the_strategy_of_an_artifact(case: str) -> None:
    spec, declared, strategy = STRATEGIES[case]
    assert artifact_gc.strategy_of(spec, declared) == strategy


def test_each_place_is_deleted_once_and_only_when_its_time_has_come() -> None:
    nodes = [
        node(artifact("a", "1"), artifact("b", "2", DELETION), artifact("c", "3", "Never")),
        node(artifact("again", "1")),
        {},
    ]
    assert [a["name"] for a in artifact_gc.due(SPEC, nodes, [COMPLETION])] == ["a"]
    assert [a["name"] for a in artifact_gc.due(SPEC, nodes, [COMPLETION, DELETION])] == ["a", "b"]


def test_a_workflow_without_strategies_is_not_looked_at() -> None:
    template = {"outputs": {"artifacts": [{"name": "a", "path": "/a"}]}}
    assert not artifact_gc.is_wanted({"templates": [template]})
    assert artifact_gc.is_wanted({**SPEC, "templates": [template]})
    stored = {"templates": [{"outputs": {"artifacts": [artifact("a", "1", DELETION)]}}]}
    assert artifact_gc.is_wanted({}, [stored])


class Discarding(ScriptedExecutor):
    """Saves one artifact a step; keeps what it was asked to delete."""

    def __init__(self) -> None:
        super().__init__(self.saves)
        self.discarded: list[str] = []

    def saves(self, task: Task) -> Report:
        declared = (task.template.get("outputs") or {}).get("artifacts") or ()
        left = Outputs(artifacts={a["name"]: {**a, "local": {"key": a["name"]}} for a in declared})
        return Report(task=task.id, state="succeeded", at=AT, outputs=left)

    async def discard(self, artifacts: Collection[dict[str, Any]]) -> list[str]:
        self.discarded += [a["local"]["key"] for a in artifacts]
        return ["one was locked"]


async def test_artifacts_go_at_the_end_and_with_the_workflow(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.executor = executor = Discarding()
    await world.start()
    declared: list[dict[str, Any]] = [{"name": "early", "path": "/a"}]
    for name, strategy in (("late", DELETION), ("kept", "Never")):
        declared.append({"name": name, "path": "/b", "artifactGC": {"strategy": strategy}})
    main = {"name": "main", "container": {"image": "x", "command": ["true"]}}
    made = await world.controller.create(
        workflow({**main, "outputs": {"artifacts": declared}}, **SPEC)
    )
    await world.end_of(made)
    while not executor.discarded:  # noqa: ASYNC110  the end does not wait for it
        await asyncio.sleep(0)
    assert executor.discarded == ["early"]
    await world.controller.delete("default", made["metadata"]["name"])
    assert sorted(executor.discarded) == ["early", "early", "late"]
    await world.stop()


async def test_deleting_a_workflow_forgets_steps_of_every_kind(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    made = await world.controller.create(workflow({"name": "main", "http": {"url": "http://x"}}))
    await world.end_of(made)
    await world.controller.delete("default", made["metadata"]["name"])
    assert world.executor.forgotten == [f"{made['metadata']['uid']}/{made['metadata']['name']}"]
    await world.stop()
