"""Fair share: a workflow with thousands of ready steps does not keep another from starting its one."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.run import Options
from controller.turns import Turns
from executor.model import Task
from tests.controller.scripted import hangs, succeeds
from tests.controller.worlds import World, workflow


def task(run: str, number: int) -> Task:
    name = f"{run}/{number}"
    return Task(
        id=name, run=run, namespace="d", workflow=run, node=name, node_name=name, template={}
    )  # fmt: skip


MOVES = st.lists(st.tuples(st.sampled_from(["ask", "end", "stop", "gone"]), st.sampled_from("abc")))


@given(MOVES, st.integers(1, 3))
def test_no_more_start_than_there_are_places_and_none_is_lost(
    moves: list[tuple[str, str]], places: int
) -> None:
    turns, waiting, running = Turns(places), {}, {}
    for number, (move, run) in enumerate(moves):
        mine = [name for name, owner in running.items() if owner == run]
        queued = [name for name, owner in waiting.items() if owner == run]
        if move == "ask":
            turns.ask(run, task(run, number))
            waiting[f"{run}/{number}"] = run
        elif move == "end" and mine:
            turns.release(run, mine[0])
            del running[mine[0]]
        elif move == "stop" and queued:
            assert turns.withdraw(run, queued[0])
            del waiting[queued[0]]
        elif move == "gone":
            turns.forget(run)
            waiting = {name: owner for name, owner in waiting.items() if owner != run}
            running = {name: owner for name, owner in running.items() if owner != run}
        while (started := turns.next()) is not None:
            running[started.id] = waiting.pop(started.id)
        assert len(running) <= places
        assert not waiting or len(running) == places


def test_runs_take_turns_and_keep_their_own_order() -> None:
    turns = Turns(100)
    for run, count in (("a", 4), ("b", 1), ("c", 2)):
        for number in range(count):
            turns.ask(run, task(run, number))
    started = []
    while (found := turns.next()) is not None:
        started.append(found.id)
    assert started == ["a/0", "b/0", "c/0", "a/1", "c/1", "a/2", "a/3"]


LOOP = {"name": "each", "template": "echo", "withSequence": {"count": "400"}}


@pytest.mark.looptime
async def test_a_small_workflow_is_not_starved_by_a_large_one(tmp_path: Path) -> None:
    world = await World(tmp_path, Options(places=4)).start()
    world.executor.outcome = hangs
    large = await world.controller.create(workflow({"name": "main", "steps": [[LOOP]]}))
    await asyncio.sleep(1)
    small = await world.controller.create(workflow())
    await asyncio.sleep(1)
    assert len(world.executor.started) == 4

    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    await world.end_of(small)
    assert small["metadata"]["name"] in [one.workflow for one in world.executor.started[4:6]]
    for one in world.executor.started[1:4]:
        world.executor.finish(one)
    assert (await world.end_of(large))["status"]["phase"] == "Succeeded"
    assert len(world.executor.started) == 401
    await world.stop()


@pytest.mark.looptime
async def test_what_waits_for_a_place_never_starts_after_a_terminate(tmp_path: Path) -> None:
    world = await World(tmp_path, Options(places=1)).start()
    world.executor.outcome = hangs
    made = await world.controller.create(workflow({"name": "main", "steps": [[LOOP]]}))
    await asyncio.sleep(1)
    await world.controller.operate("default", made["metadata"]["name"], "terminate")
    await world.end_of(made)
    await asyncio.sleep(1)
    assert len(world.executor.started) == 1
    assert world.executor.stopped == [world.executor.started[0].id]
    other = await world.controller.create(workflow())
    await asyncio.sleep(1)
    assert world.executor.started[-1].workflow == other["metadata"]["name"]
    await world.stop()


@pytest.mark.looptime
async def test_what_waited_for_a_place_starts_after_a_crash(tmp_path: Path) -> None:
    world = await World(tmp_path, Options(places=1)).start()
    world.executor.outcome = hangs
    made = await world.controller.create(workflow({"name": "main", "steps": [[LOOP]]}))
    await world.crash()
    world.executor.outcome = succeeds
    await world.start()
    for one in world.executor.started[:1]:
        world.executor.finish(one)
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    assert len({one.id for one in world.executor.started}) == 400
    await world.stop()
