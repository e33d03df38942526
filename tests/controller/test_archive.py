"""Finished workflows that the list has lost: found, shown whole, brought back, forgotten in time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller import listing
from controller.ports import BadOption, WorkflowExists, WorkflowNotFound
from controller.retention import Policy
from controller.run import Options
from tests.controller.scripted import fails, succeeds
from tests.controller.worlds import World, phases, steps, workflow

pytestmark = pytest.mark.looptime

TTL = {"secondsAfterCompletion": 10}


async def expired(world: World, name: str = "w", **spec: Any) -> dict[str, Any]:
    """A workflow that has ended and left the list."""
    labels = {"app": name[0]}
    made = await world.controller.create(
        steps("a", "b", metadata={"name": name, "labels": labels}, ttlStrategy=TTL, **spec)
    )
    await world.end_of(made)
    await asyncio.sleep(20)
    assert (await world.controller.list(listing.ListQuery())).items == []
    return made


async def names(world: World, **query: Any) -> list[str]:
    page = await world.controller.archive.search(listing.query(**query))
    return [item["metadata"]["name"] for item in page.items]


async def test_an_expired_workflow_is_shown_whole_by_uid_and_by_name(world: World) -> None:
    made = await expired(world)
    by_uid = await world.controller.archive.get(made["metadata"]["uid"])
    assert by_uid["status"]["phase"] == "Succeeded"
    assert phases(by_uid)["a"] == "Succeeded"
    assert await world.controller.get("default", "w") == by_uid


async def test_the_archive_is_searched_by_label_phase_name_and_time(world: World) -> None:
    await expired(world, "apple")
    world.executor.outcome = fails
    await expired(world, "banana")
    world.executor.outcome = succeeds
    await world.end_of(await world.controller.create(workflow(metadata={"name": "cherry"})))

    assert await names(world) == ["cherry", "banana", "apple"]
    assert await names(world, label_selector="app=b") == ["banana"]
    assert await names(world, label_selector="workflows.argoproj.io/phase=Failed") == ["banana"]
    assert await names(world, name_prefix="ap") == ["apple"]
    assert await names(world, field_selector="spec.startedAt<2026-01-01T00:00:10Z") == ["apple"]
    first = await world.controller.archive.search(listing.query(limit=2))
    assert (len(first.items), first.continue_, first.remaining) == (2, "2", 1)
    assert await names(world, limit=2, continue_="2") == ["apple"]
    assert "app" in await world.controller.archive.label_keys()
    assert await world.controller.archive.label_values("app") == ["a", "b"]
    with pytest.raises(BadOption, match="one label key"):
        await world.controller.archive.label_values("app=a")


async def test_a_name_that_has_expired_may_be_used_again(world: World) -> None:
    first = await expired(world)
    second = await world.controller.create(steps("c", metadata={"name": "w"}))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    await world.end_of(second)
    assert "c" in phases(await world.controller.get("default", "w"))
    assert "a" in phases(await world.controller.archive.get(first["metadata"]["uid"]))


async def test_a_failed_workflow_comes_back_and_goes_on(world: World) -> None:
    world.executor.outcome = fails
    made = await expired(world)
    world.executor.outcome = succeeds
    back = await world.controller.archive.operate(made["metadata"]["uid"], "retry", {})
    assert back["metadata"]["uid"] == made["metadata"]["uid"]
    assert (await world.end_of(made))["status"]["phase"] == "Succeeded"


async def test_what_cannot_come_back_stays_in_the_archive(world: World) -> None:
    succeeded = await expired(world)
    with pytest.raises(Exception, match="retry"):
        await world.controller.archive.operate(succeeded["metadata"]["uid"], "retry", {})
    assert await names(world) == ["w"]
    assert (await world.controller.list(listing.ListQuery())).items == []
    await world.controller.create(workflow(metadata={"name": "w"}))
    with pytest.raises(WorkflowExists):
        await world.controller.archive.operate(succeeded["metadata"]["uid"], "retry", {})


async def test_a_resubmit_is_a_new_workflow(world: World) -> None:
    made = await expired(world)
    again = await world.controller.archive.operate(made["metadata"]["uid"], "resubmit", {})
    assert again["metadata"]["name"].startswith("w-")
    assert (await world.end_of(again))["status"]["phase"] == "Succeeded"


async def test_what_is_deleted_by_hand_is_not_in_the_archive(world: World) -> None:
    made = await world.controller.create(workflow(metadata={"name": "w"}))
    await world.end_of(made)
    await world.controller.delete("default", "w")
    assert await names(world) == []
    made = await expired(world)
    await world.controller.archive.delete(made["metadata"]["uid"])
    assert await names(world) == []
    rows = await world.database.read("SELECT COUNT(*) FROM history")
    assert rows[0][0] == 0
    with pytest.raises(WorkflowNotFound):
        await world.controller.archive.get(made["metadata"]["uid"])


async def test_the_archive_forgets_in_time_and_keeps_nothing_where_told_so(tmp_path: Path) -> None:
    world = await World(tmp_path, Options(archive_s=7200)).start()
    await expired(world)
    await asyncio.sleep(3600)
    assert await names(world) == ["w"]
    await asyncio.sleep(2 * 3600)
    assert await names(world) == []
    await world.stop()

    world = await World(tmp_path, Options(archive_s=0, retention=Policy(completed=0))).start()
    await world.end_of(await world.controller.create(workflow(metadata={"name": "v"})))
    await asyncio.sleep(5)
    assert await names(world) == []
    await world.stop()
