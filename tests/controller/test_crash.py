"""kill -9 at any moment: no workflow lost or made twice, no step run twice or forgotten."""

import asyncio
import random
from pathlib import Path

import pytest

from controller.dag import turn
from tests.controller.scripted import fails, hangs, succeeds
from tests.controller.worlds import World, steps, workflow

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("seed", range(8))
async def test_every_firing_ends_once_whenever_the_controller_dies(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    world = await World(tmp_path).start()
    accepted: dict[str, dict[str, str]] = {}
    for number in range(12):
        firing = f"firing-{number}"
        accepted[firing] = await world.fire(steps("a", "b", "c"), firing)
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await world.crash()
            await world.start()
            assert await world.fire(steps("a", "b", "c"), firing) == accepted[firing]
    for made in accepted.values():
        assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    started = [task.id for task in world.executor.started]
    assert len(started) == len(set(started)) == 36
    await world.stop()


@pytest.mark.parametrize("seed", range(6))
async def test_a_fan_out_goes_on_where_the_controller_died(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "SLICE", 20)
    chance = random.Random(seed)
    world = await World(tmp_path).start()
    loop = {"name": "each", "template": "echo", "withSequence": {"count": 200}}
    made = await world.fire(workflow({"name": "main", "steps": [[loop]]}), "firing")
    for _ in range(3):
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        await world.crash()
        await world.start()
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"
    started = [task.id for task in world.executor.started]
    assert len(started) == len(set(started)) == 200
    await world.stop()


async def test_running_steps_are_adopted_and_finished_ones_picked_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.executor.outcome = hangs
    await world.start()
    made = await world.controller.create(steps("a", "b"))
    await asyncio.sleep(1)
    await world.crash()
    world.executor.finish(world.executor.started[0], succeeds)
    await world.start()
    await asyncio.sleep(1)
    assert len(world.executor.started) == 2
    world.executor.finish(world.executor.started[1], fails)
    assert (await world.end_of(made))["status"]["phase"] == "Failed"
    await world.stop()


async def test_a_step_that_was_to_end_when_the_controller_died_is_ended_by_the_next_one(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.executor.outcome = hangs
    await world.start()
    made = await world.controller.create(workflow())
    await asyncio.sleep(1)
    world.executor.hold_stops = True
    await world.controller.operate("default", made["metadata"]["name"], "terminate")
    await world.crash()
    assert world.executor.stopped == []
    world.executor.hold_stops = False
    await world.start()
    assert world.executor.stopped == [world.executor.started[0].id]
    await world.crash()
    await world.start()
    assert len(world.executor.stopped) == 1
    await world.stop()


async def test_a_timer_set_before_the_crash_still_fires(tmp_path: Path) -> None:
    world = await World(tmp_path).start()
    made = await world.controller.create(
        steps("p", template="wait", suspend_for={"duration": "600"})
    )
    await asyncio.sleep(10)
    await world.crash()
    await world.start()
    found = await world.end_of(made)
    assert found["status"]["phase"] == "Succeeded"
    await world.stop()


async def test_a_run_that_cannot_be_read_back_ends_in_error_and_stops_no_other(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.executor.outcome = hangs
    await world.start()
    sick = await world.controller.create(workflow(metadata={"name": "sick"}))
    well = await world.controller.create(workflow(metadata={"name": "well"}))
    await world.crash()
    await _spoil(world, sick["metadata"]["uid"])
    world.executor.outcome = succeeds
    for task in world.executor.started:
        world.executor.finish(task)
    await world.start()
    assert (await world.end_of(well))["status"]["phase"] == "Succeeded"
    found = await world.controller.get("default", "sick")
    assert found["status"]["phase"] == "Error"
    assert "cannot be recovered" in found["status"]["message"]
    await world.stop()


async def _spoil(world: World, uid: str) -> None:
    from bireme.storage.sqlite import open_sqlite

    database = await open_sqlite(world.path)
    await database.write(
        lambda tx: tx.execute("UPDATE history SET entry=? WHERE run=?", (b"\xc1", uid))
    )
    await database.close()
