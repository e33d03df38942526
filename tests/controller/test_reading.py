"""Asking for a large workflow does not take the event loop from everybody else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.run import Options
from tests.controller.scripted import hangs
from tests.controller.worlds import World, workflow

COUNT = 2_000
LOOP = {"name": "each", "template": "echo", "withSequence": {"count": str(COUNT)}}


async def turns_of_others(asked: Any) -> tuple[int, dict[str, Any]]:
    """How often the event loop came round to somebody else until the answer was there."""
    turns, answer = 0, asyncio.ensure_future(asked)
    while not answer.done():
        turns += 1
        await asyncio.sleep(0)
    return turns, answer.result()


@pytest.mark.looptime
async def test_a_large_workflow_that_runs_is_told_between_the_turns_of_others(
    tmp_path: Path,
) -> None:
    world = await World(tmp_path, Options(places=4)).start()
    world.executor.outcome = hangs
    made = await world.controller.create(workflow({"name": "main", "steps": [[LOOP]]}))
    await asyncio.sleep(1)
    name = made["metadata"]["name"]
    turns, found = await turns_of_others(world.controller.get("default", name))
    assert turns > 4
    assert len(found["status"]["nodes"]) == COUNT + 2
    assert found["status"]["phase"] == "Running"
    await world.stop()


async def test_a_large_workflow_that_is_over_is_brought_back_beside_the_loop(
    tmp_path: Path,
) -> None:
    world = await World(tmp_path).start()
    made = await world.controller.create(workflow({"name": "main", "steps": [[LOOP]]}))
    ended = await world.end_of(made)
    turns, found = await turns_of_others(world.controller.get("default", made["metadata"]["name"]))
    assert turns > 4
    assert found["status"] == ended["status"]
    assert len(found["status"]["nodes"]) == COUNT + 2
    await world.stop()
