"""Argo's unit-level cases about schedules: next times, catch-up, `when`, the timezone prefix."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import UserError
from controller import policy, schedule
from controller.schedule import CronState

CASES = Path(__file__).parents[3] / "shared/conformance/cases/argo-workflows.json"
NOW = datetime(2026, 3, 5, 12, 34, 30, tzinfo=UTC)


def cases(op: str) -> list[Any]:
    if not CASES.exists():
        return [pytest.param({}, marks=pytest.mark.skip("no conformance material"))]
    found = [case for case in json.loads(CASES.read_text())["cases"] if case["op"] == op]
    return [pytest.param(case, id=case["id"]) for case in found]


@pytest.mark.parametrize("case", cases("cron_schedules_with_timezone"))
def test_a_timezone_stands_in_front_of_each_schedule(case: dict[str, Any]) -> None:
    table = schedule.timetable(case["input"])
    assert list(table.schedules) == case["expect"]["list"]
    assert table.text == case["expect"]["annotation"]


@pytest.mark.parametrize("case", cases("cron_next"))
def test_a_schedule_fires_when_robfig_says(case: dict[str, Any]) -> None:
    asked = case["input"]
    table = schedule.timetable({"schedules": [asked["schedule"]], "timezone": asked["timezone"]})
    after = datetime.fromisoformat(asked["after"])
    if "error" in case["expect"]:
        with pytest.raises(UserError) as caught:
            schedule.next_times(table, after, asked["count"])
        assert case["expect"]["error"] in str(caught.value)
        return
    found = schedule.next_times(table, after, asked["count"])
    expected = [datetime.fromisoformat(text) for text in case["expect"]["value"]]
    assert [at.astimezone(UTC) for at in found] == expected


@pytest.mark.parametrize("case", cases("missed_run"))
def test_a_missed_moment_is_made_up_for_only_within_its_deadline(case: dict[str, Any]) -> None:
    asked = case["input"]
    last = {
        "60 s ago": NOW - timedelta(seconds=60),
        "long ago": NOW - timedelta(days=90),
        None: None,
    }[asked["last"]]
    spec = {
        "schedules": [asked["schedule"]],
        "timezone": asked.get("timezone"),
        "startingDeadlineSeconds": asked.get("deadline"),
    }
    table = schedule.timetable(spec)
    state = CronState(
        last_scheduled=last.timestamp() if last else None,
        schedule_text=asked.get("last_used_schedule", table.text),
    )
    found = schedule.missed(table, state, NOW)
    wanted = NOW.replace(second=0) if case["expect"]["value"].startswith("run") else None
    assert found == wanted


@pytest.mark.parametrize("case", cases("cron_when"))
def test_when_sees_the_last_scheduled_time(case: dict[str, Any]) -> None:
    text = case["input"]["last_scheduled"]
    last = None
    if text is not None:
        last = NOW - timedelta(minutes=30) if text == "30 min ago" else datetime.fromisoformat(text)
    cron = {"metadata": {"name": "c"}, "spec": {"when": case["input"]["when"]}}
    state = CronState(last_scheduled=last.timestamp() if last else None)
    assert policy.eval_when(cron, state, NOW) == case["expect"]["value"]
