"""Locks and memoized steps in the real controller: who waits, what is shown, what a crash leaves."""

import asyncio
from typing import Any

import pytest

from controller.sync_limits import LimitExists, LimitNotFound
from executor.model import Outputs, Report, Task
from tests.controller.scripted import AT, hangs, succeeds
from tests.controller.worlds import Json, World, phases, workflow

BODY = {"image": "busybox", "command": ["true"]}
MUTEX = {"mutexes": [{"name": "m"}]}
KEPT = {"semaphores": [{"database": {"key": "k"}}]}


def locked(name: str, synchronization: Json = MUTEX) -> Json:
    return {"name": name, "container": BODY, "synchronization": synchronization}


def two(synchronization: Json = MUTEX, **spec: Any) -> Json:
    """Two steps at once that want the same locks."""
    both = [{"name": n, "template": "t"} for n in "ab"]
    return workflow({"name": "main", "steps": [both]}, locked("t", synchronization), **spec)


async def settled() -> None:
    """Everything that can happen now has happened (time is the loop's own)."""
    await asyncio.sleep(1)


def running(world: World) -> list[str]:
    return [task.node_name.rpartition(".")[2] for task in world.executor.started]


async def test_a_mutex_lets_one_step_at_a_time_run(world: World) -> None:
    world.executor.outcome = hangs
    made = await world.controller.create(two())
    await settled()
    assert running(world) == ["a"]
    status = (await world.controller.get("default", made["metadata"]["name"]))["status"]
    nodes = {node["displayName"]: node for node in status["nodes"].values()}
    assert nodes["b"]["message"] == "Waiting for default/Mutex/m lock. Lock status: 0/1"
    assert nodes["b"]["synchronizationStatus"] == {"waiting": "default/Mutex/m"}
    key = f"default/{made['metadata']['name']}"
    assert status["synchronization"]["mutex"] == {
        "holding": [{"mutex": "default/Mutex/m", "holder": f"{key}/{nodes['a']['id']}"}],
        "waiting": [{"mutex": "default/Mutex/m", "holder": f"{key}/{nodes['b']['id']}"}],
    }
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    done = await world.end_of(made)
    assert running(world) == ["a", "b"]
    assert "synchronization" not in done["status"]


async def test_a_workflow_waits_for_its_lock_pending_and_runs_when_the_other_ends(
    world: World,
) -> None:
    world.executor.outcome = hangs
    first = await world.controller.create(workflow(synchronization=MUTEX))
    await settled()
    second = await world.controller.create(workflow(synchronization=MUTEX))
    await settled()
    status = (await world.controller.get("default", second["metadata"]["name"]))["status"]
    assert status["phase"] == "Pending"
    assert status["message"] == "Waiting for default/Mutex/m lock. Lock status: 0/1"
    assert "startedAt" not in status
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    assert (await world.end_of(first))["status"]["phase"] == "Succeeded"
    assert (await world.end_of(second))["status"]["phase"] == "Succeeded"


async def test_a_waiting_workflow_that_is_terminated_lets_the_next_one_through(
    world: World,
) -> None:
    world.executor.outcome = hangs
    made = [await world.controller.create(workflow(synchronization=MUTEX)) for _ in range(3)]
    await settled()
    names = [m["metadata"]["name"] for m in made]
    await world.controller.operate("default", names[1], "terminate")
    ended = await world.end_of(made[1])
    assert ended["status"]["phase"] == "Failed"
    assert ended["status"]["message"] == "Stopped with strategy 'Terminate'"
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    assert (await world.end_of(made[2]))["status"]["phase"] == "Succeeded"


async def test_locks_survive_a_crash_with_their_holders_and_queue(world: World) -> None:
    world.executor.outcome = hangs
    made = [await world.controller.create(two(priority=p)) for p in (0, 1, 5)]
    await settled()
    await world.crash()
    await world.start()
    await settled()
    assert running(world) == ["a"], "the holder of before is the holder of now"
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[0])
    for one in made:
        assert (await world.end_of(one))["status"]["phase"] == "Succeeded"
    names = [m["metadata"]["name"] for m in made]
    order = [task.workflow for task in world.executor.started]
    assert order == [names[0], names[2], names[2], names[1], names[1], names[0]]


async def test_a_database_limit_is_needed_can_be_changed_and_is_kept(world: World) -> None:
    made = await world.controller.create(two(KEPT))
    failed = await world.end_of(made)
    assert phases(failed)["a"] == "Error"
    messages = [node.get("message", "") for node in failed["status"]["nodes"].values()]
    assert any("bireme sync create k" in message for message in messages)
    limits = world.controller.sync_limits
    await limits.create("default", "k", 1)
    world.executor.outcome = hangs
    await world.controller.create(two(KEPT))
    await settled()
    assert running(world) == ["a"]
    await limits.update("default", "k", 2)
    await settled()
    assert running(world) == ["a", "b"]
    await world.crash()
    await world.start()
    assert world.controller.sync_limits.get("default", "k") == 2
    await world.controller.sync_limits.delete("default", "k")
    with pytest.raises(LimitNotFound):
        world.controller.sync_limits.get("default", "k")


async def test_of_two_who_make_or_delete_the_same_limit_at_once_one_is_told_no(
    world: World,
) -> None:
    limits = world.controller.sync_limits
    made = await asyncio.gather(
        *(limits.create("default", "k", size) for size in (1, 2)), return_exceptions=True
    )
    assert [type(answer) for answer in made] == [type(None), LimitExists]
    assert limits.get("default", "k") == 1
    gone = await asyncio.gather(
        *(limits.delete("default", "k") for _ in range(2)), return_exceptions=True
    )
    assert [type(answer) for answer in gone] == [type(None), LimitNotFound]
    with pytest.raises(LimitNotFound):
        await limits.update("default", "k", 3)
    assert limits.list("") == {}


async def test_a_deleted_limit_is_in_force_no_more(world: World) -> None:
    limits = world.controller.sync_limits
    await limits.create("default", "k", 1)
    world.executor.outcome = hangs
    made = await world.controller.create(two(KEPT))
    await settled()
    assert running(world) == ["a"]
    await limits.delete("default", "k")
    await settled()
    live = await world.controller.get("default", made["metadata"]["name"])
    found = {
        n["displayName"]: (n["phase"], n.get("message", ""))
        for n in live["status"]["nodes"].values()
    }
    assert found["a"][0] == "Running"
    assert found["b"][0] == "Error"
    assert "bireme sync create k" in found["b"][1]


async def test_a_config_map_that_changes_wakes_those_who_wait(world: World) -> None:
    def limits(size: str) -> Json:
        metadata = {"name": "limits", "namespace": "default"}
        return {"kind": "ConfigMap", "metadata": metadata, "data": {"k": size}}

    world.controller.shelf.apply(limits("1"))
    world.executor.outcome = hangs
    semaphore = {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "k"}}]}
    await world.controller.create(two(semaphore))
    await settled()
    assert running(world) == ["a"]
    world.controller.shelf.apply(limits("2"))
    await settled()
    assert running(world) == ["a", "b"]


async def test_a_manual_retry_asks_for_the_locks_of_a_group_again(world: World) -> None:
    inner = {
        "name": "inner",
        "steps": [[{"name": "x", "template": "echo"}]],
        "synchronization": MUTEX,
    }
    main = {"name": "main", "steps": [[{"name": "in", "template": "inner"}]]}
    world.executor.outcome = lambda task: Report(task=task.id, state="failed", at=AT, message="no")
    made = await world.controller.create(workflow(main, inner))
    assert (await world.end_of(made))["status"]["phase"] == "Failed"
    world.executor.outcome = hangs
    other = await world.controller.create(workflow(locked("t")))
    await settled()
    await world.controller.operate("default", made["metadata"]["name"], "retry")
    await settled()
    assert running(world)[1:] == [other["metadata"]["name"]], "x waits for the lock around it"
    world.executor.outcome = succeeds
    world.executor.finish(world.executor.started[-1])
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"


# --- memoize ---------------------------------------------------------------------------------------------------------


def memoized(key: str = "k", **memoize: Any) -> Json:
    cache = {"key": key, "cache": {"configMap": {"name": "c"}}, **memoize}
    outputs = {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}
    template = {"name": "t", "container": BODY, "outputs": outputs, "memoize": cache}
    return workflow({"name": "main", "steps": [[{"name": "a", "template": "t"}]]}, template)


def leaves_x(task: Task) -> Report:
    left = Outputs(parameters={"o": "X"}, exit_code="0")
    return Report(task=task.id, state="succeeded", at=AT, outputs=left)


async def test_the_second_run_takes_the_outputs_of_the_first_also_after_a_crash(
    world: World,
) -> None:
    world.executor.outcome = leaves_x
    await world.end_of(await world.controller.create(memoized()))
    await world.crash()
    await world.start()
    done = await world.end_of(await world.controller.create(memoized()))
    node = next(n for n in done["status"]["nodes"].values() if n["displayName"] == "a")
    assert len(world.executor.started) == 1
    assert node["memoizationStatus"] == {"hit": True, "key": "k", "cacheName": "c"}
    assert node["outputs"]["parameters"] == [{"name": "o", "value": "X"}]


async def test_a_failed_step_is_not_kept_and_an_old_entry_counts_no_more(world: World) -> None:
    world.executor.outcome = lambda task: Report(task=task.id, state="failed", at=AT)
    await world.end_of(await world.controller.create(memoized()))
    assert await world.controller.memo.list("default") == []
    world.executor.outcome = leaves_x
    await world.end_of(await world.controller.create(memoized()))
    await asyncio.sleep(2)
    await world.end_of(await world.controller.create(memoized(maxAge="100000h")))
    assert len(world.executor.started) == 2
    await world.end_of(await world.controller.create(memoized(maxAge="1s")))
    assert len(world.executor.started) == 3


async def test_entries_can_be_listed_read_and_cleared(world: World) -> None:
    world.executor.outcome = leaves_x
    for key in ("k1", "k2"):
        await world.end_of(await world.controller.create(memoized(key)))
    found = await world.controller.memo.list("default")
    assert [(e["cacheName"], e["key"]) for e in found] == [("c", "k1"), ("c", "k2")]
    entry = await world.controller.memo.get("default", "c", "k1")
    assert entry is not None
    assert entry["outputs"]["parameters"] == {"o": "X"}
    assert await world.controller.memo.clear("default", "c", "k1") == 1
    assert await world.controller.memo.get("default", "c", "k1") is None
    assert await world.controller.memo.clear("default") == 1


async def test_outputs_that_are_too_large_are_not_kept(world: World) -> None:
    big = Outputs(parameters={"o": "x" * 1_000_001}, exit_code="0")
    world.executor.outcome = lambda task: Report(
        task=task.id, state="succeeded", at=AT, outputs=big
    )
    done = await world.end_of(await world.controller.create(memoized()))
    assert done["status"]["phase"] == "Succeeded"
    assert await world.controller.memo.list("default") == []
