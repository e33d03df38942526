"""CronWorkflows: one workflow per scheduled moment, by policy, whatever dies in between."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from controller.backfill import BackfillOptions, options
from controller.cron import CronNotFound
from controller.listing import ListQuery
from controller.ports import BadOption
from controller.submission import SubmitOptions
from tests.controller.scripted import fails, hangs, succeeds
from tests.controller.worlds import World, workflow

pytestmark = pytest.mark.looptime

MINUTE = 60


def cron(name: str = "tick", schedule: str = "* * * * *", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"schedules": [schedule], "workflowSpec": workflow()["spec"], **spec},
    }


async def made(world: World) -> list[dict[str, Any]]:
    page = await world.controller.list(ListQuery())
    return sorted(page.items, key=lambda item: item["metadata"]["name"])


async def test_each_scheduled_moment_makes_one_workflow_named_after_it(world: World) -> None:
    await world.cron.apply(cron(successfulJobsHistoryLimit=10))
    await asyncio.sleep(3 * MINUTE + 5)
    found = await made(world)
    starts = [datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in (1, 2, 3)]
    names = [f"tick-{int(at.timestamp())}" for at in starts]
    assert [item["metadata"]["name"] for item in found][-3:] == names[-len(found) :]
    metadata = found[-1]["metadata"]
    assert metadata["labels"]["workflows.argoproj.io/cron-workflow"] == "tick"
    assert metadata["annotations"]["workflows.argoproj.io/scheduled-time"].endswith("Z")
    status = (await world.cron.get("default", "tick"))["status"]
    assert status["succeeded"] == len(found)
    assert status["active"] == []


async def test_two_schedules_that_meet_make_one_workflow(world: World) -> None:
    both = cron()
    both["spec"]["schedules"] = ["* * * * *", "*/1 * * * *"]
    await world.cron.apply(both)
    await asyncio.sleep(MINUTE + 5)
    assert len(await made(world)) == 1


async def test_history_limits_forget_the_oldest(world: World) -> None:
    await world.cron.apply(cron(successfulJobsHistoryLimit=2))
    await asyncio.sleep(6 * MINUTE)
    assert len(await made(world)) == 2
    assert (await world.cron.get("default", "tick"))["status"]["succeeded"] >= 5


async def test_forbid_skips_while_one_is_active(world: World) -> None:
    world.executor.outcome = hangs
    await world.cron.apply(cron(concurrencyPolicy="Forbid"))
    await asyncio.sleep(4 * MINUTE)
    assert len(await made(world)) == 1
    assert len((await world.cron.get("default", "tick"))["status"]["active"]) == 1


async def test_replace_terminates_the_active_one(world: World) -> None:
    world.executor.outcome = hangs
    await world.cron.apply(cron(concurrencyPolicy="Replace", failedJobsHistoryLimit=5))
    await asyncio.sleep(MINUTE + 5)
    await asyncio.sleep(MINUTE)
    first, second = await made(world)
    assert world.executor.started[0].id in world.executor.stopped
    world.executor.finish(world.executor.started[0], fails)
    assert (await world.end_of(first))["status"]["phase"] == "Failed"
    assert second["status"]["phase"] == "Running"


async def test_suspend_holds_over_a_restart_and_ends_with_resume(tmp_path: Path) -> None:
    world = await World(tmp_path).start()
    await world.cron.apply(cron())
    await world.cron.suspend("default", "tick")
    await world.crash()
    await world.start()
    await world.cron.apply(cron())
    await asyncio.sleep(3 * MINUTE - 20)
    assert await made(world) == []
    assert (await world.cron.get("default", "tick"))["spec"]["suspend"] is True
    await world.cron.resume("default", "tick")
    await asyncio.sleep(MINUTE)
    assert len(await made(world)) == 1
    await world.stop()


async def test_a_missed_moment_is_made_up_for_once_within_its_deadline(tmp_path: Path) -> None:
    world = await World(tmp_path).start()
    await world.cron.apply(cron(schedule="*/10 * * * *", startingDeadlineSeconds=300))
    await asyncio.sleep(10 * MINUTE + 5)
    assert len(await made(world)) == 1
    await world.crash()
    await asyncio.sleep(12 * MINUTE)
    await world.start()
    for _ in range(2):
        await world.cron.apply(cron(schedule="*/10 * * * *", startingDeadlineSeconds=300))
        await asyncio.sleep(5)
    assert len(await made(world)) == 2
    await world.stop()


async def test_an_edited_schedule_switches_catch_up_off_once(tmp_path: Path) -> None:
    world = await World(tmp_path).start()
    await world.cron.apply(cron(schedule="*/10 * * * *", startingDeadlineSeconds=3000))
    await asyncio.sleep(10 * MINUTE + 5)
    await world.crash()
    await asyncio.sleep(10 * MINUTE)
    await world.start()
    await world.cron.apply(cron(schedule="*/5 * * * *", startingDeadlineSeconds=3000))
    await asyncio.sleep(5)
    assert len(await made(world)) == 1
    await world.stop()


@pytest.mark.parametrize("seed", range(4))
async def test_a_tick_fires_once_whenever_the_controller_dies(tmp_path: Path, seed: int) -> None:
    world = await World(tmp_path).start()
    spec = cron(startingDeadlineSeconds=30, successfulJobsHistoryLimit=99)
    for turn in range(4):
        await world.cron.apply(spec)
        await asyncio.sleep(MINUTE - world.clock.now().second)
        for _ in range(seed * 7 + turn * 3):
            await asyncio.sleep(0)
        await world.crash()
        await world.start()
    await world.cron.apply(spec)
    await asyncio.sleep(5)
    found = [item["metadata"]["name"] for item in await made(world)]
    assert len(found) == len(set(found)) == 4
    assert len(world.executor.started) == 4
    await world.stop()


async def test_an_invalid_workflow_spec_is_a_condition_and_not_a_crash(world: World) -> None:
    bad = cron()
    bad["spec"]["workflowSpec"]["entrypoint"] = "bad template name"
    await world.cron.apply(bad)
    await world.cron.apply(cron("good"))
    await asyncio.sleep(MINUTE + 5)
    (condition,) = (await world.cron.get("default", "tick"))["status"]["conditions"]
    assert condition["type"] == "SpecError"
    assert "bad template name" in condition["message"]
    assert [item["metadata"]["name"][:4] for item in await made(world)] == ["good"]


async def test_when_and_stop_strategy_are_asked_and_their_errors_shown(world: World) -> None:
    await world.cron.apply(cron("never", when="{{= cronworkflow.lastScheduledTime != nil }}"))
    await world.cron.apply(cron("broken", when="{{= nowhere.x }}"))
    await world.cron.apply(
        cron(
            "stops",
            stopStrategy={"expression": "cronworkflow.failed >= 2"},
            failedJobsHistoryLimit=9,
        )
    )
    world.executor.outcome = fails
    await asyncio.sleep(5 * MINUTE)
    names = [item["metadata"]["name"].rpartition("-")[0] for item in await made(world)]
    assert names == ["stops", "stops"]
    stopped = await world.cron.get("default", "stops")
    assert stopped["status"]["phase"] == "Stopped"
    (condition,) = (await world.cron.get("default", "broken"))["status"]["conditions"]
    assert condition["type"] == "SubmissionError"
    assert condition["message"].startswith("run policy error: ")


async def test_a_manual_run_ignores_the_schedule_and_its_policy(world: World) -> None:
    world.executor.outcome = hangs
    await world.cron.apply(cron(concurrencyPolicy="Forbid", suspend=True))
    for _ in range(2):
        await world.cron.create("default", "tick", SubmitOptions())
    assert [item["metadata"]["name"][:5] for item in await made(world)] == ["tick-", "tick-"]
    world.executor.outcome = succeeds
    with pytest.raises(CronNotFound):
        await world.cron.create("default", "tock", SubmitOptions())


async def test_the_next_times_can_be_previewed(world: World) -> None:
    await world.cron.apply(cron(schedule="0 9 * * *", timezone="America/New_York"))
    found = world.cron.preview("default", "tick", 2)
    assert [at.astimezone(UTC).isoformat() for at in found] == [
        "2026-01-01T14:00:00+00:00",
        "2026-01-02T14:00:00+00:00",
    ]


async def test_an_interval_counts_from_when_it_was_applied(world: World) -> None:
    await asyncio.sleep(17)
    await world.cron.apply(cron(schedule="@every 5m"))
    await asyncio.sleep(11 * MINUTE)
    found = [int(item["metadata"]["name"].rpartition("-")[2]) for item in await made(world)]
    assert len(found) == 2
    assert found[1] - found[0] == 5 * MINUTE


async def test_applying_again_at_the_very_moment_loses_no_firing(world: World) -> None:
    await world.cron.apply(cron())
    await asyncio.sleep(MINUTE - world.clock.now().second - 0.001)
    for _ in range(3):
        await world.cron.apply(cron())
        await asyncio.sleep(0.001)
    await asyncio.sleep(5)
    assert len(await made(world)) == 1


async def test_nothing_fires_on_a_holiday(world: World) -> None:
    await world.cron.apply(cron(schedule="0 12 * * *", calendar={"holidays": ["01-02"]}))
    found = world.cron.preview("default", "tick", count=3)
    assert [at.day for at in found] == [1, 3, 4]
    await asyncio.sleep(3 * 24 * 60 * MINUTE)
    names = [item["metadata"]["name"] for item in await made(world)]
    moments = (datetime(2026, 1, day, 12, tzinfo=UTC) for day in (1, 3))
    assert names == [f"tick-{int(at.timestamp())}" for at in moments]


def calendar_map(text: str) -> dict[str, Any]:
    metadata = {"name": "days", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"de": text}}


async def test_holidays_of_a_config_map_count_as_soon_as_it_is_there(world: World) -> None:
    source = {"configMapKeyRef": {"name": "days", "key": "de"}}
    await world.cron.apply(cron(schedule="0 12 * * *", calendar=source))
    assert world.cron.preview("default", "tick") == []
    conditions = (await world.cron.get("default", "tick"))["status"]["conditions"]
    assert "config map 'days' not found" in conditions[0]["message"]

    world.controller.shelf.apply(calendar_map("2026-01-01\n# and the next\n2026-01-02"))
    await world.cron.calendar_changed("default", "days")
    assert [at.day for at in world.cron.preview("default", "tick", count=1)] == [3]
    assert (await world.cron.get("default", "tick"))["status"]["conditions"] == []


def span(start: str, end: str, **more: Any) -> BackfillOptions:
    return options({"start": f"2025-12-{start}Z", "end": f"2025-12-{end}Z", **more})


async def test_a_backfill_makes_each_past_run_once_and_first_shows_them(world: World) -> None:
    await world.cron.apply(cron(schedule="0 12 * * *"))
    asked = span("01T00:00:00", "03T12:00:00")

    planned = await world.cron.backfill("default", "tick", replace(asked, dry_run=True))
    assert [item["state"] for item in planned["items"]] == ["planned"] * 3
    assert await made(world) == []

    done = await world.cron.backfill("default", "tick", asked)
    again = await world.cron.backfill("default", "tick", asked)
    assert [item["state"] for item in done["items"]] == ["created"] * 3
    assert [item["state"] for item in again["items"]] == ["exists"] * 3
    first = (await made(world))[0]
    assert first["metadata"]["name"] == planned["items"][0]["name"]
    assert first["metadata"]["labels"]["backfill"] == "tick"
    given = {p["name"]: p["value"] for p in first["spec"]["arguments"]["parameters"]}
    assert given["cronScheduleTime"] == "Mon, 01 Dec 2025 12:00:00 UTC"
    assert first["spec"]["synchronization"] == {"mutexes": [{"name": "backfill-tick"}]}


async def test_a_backfill_is_not_forgotten_by_history_limits(world: World) -> None:
    await world.cron.apply(cron(schedule="0 12 * * *", successfulJobsHistoryLimit=1))
    await world.cron.backfill("default", "tick", span("01T00:00:00", "05T00:00:00", parallel=True))
    await asyncio.sleep(MINUTE)
    assert len(await made(world)) == 4


async def test_a_backfill_stops_at_its_limit_and_says_so(world: World) -> None:
    await world.cron.apply(cron())
    asked = span("01T00:00:00", "31T00:00:00", maxWorkflowCount=10, dryRun=True)
    found = await world.cron.backfill("default", "tick", asked)
    assert (len(found["items"]), found["more"]) == (10, True)


@pytest.mark.parametrize(
    "body",
    [
        {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
        {"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00Z"},
        {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "paralel": True},
        {"start": "soon", "end": "2026-01-02T00:00:00Z"},
    ],
)
def test_a_span_that_is_none_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BadOption):
        options(body)
