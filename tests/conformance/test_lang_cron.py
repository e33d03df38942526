"""Schedules against the answers of the library that Argo uses."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bireme.lang import cron
from bireme.lang.errors import LangError

CASES = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the conformance material is not beside the checkout"
)


HALF_HOUR_SHIFTS = {"Australia/Lord_Howe"}
"""Where clocks move by half an hour the original skips a whole midnight; we do not (docs/differences.md, CRON-1)."""


def answer(spec: str, timezone: str, after: str, count: int) -> list[str] | None:
    moment: datetime | None = datetime.fromisoformat(after)
    times: list[str] = []
    try:
        cron.validate(spec, timezone)
        while moment is not None and len(times) < count:
            moment = cron.next_after(spec, moment, timezone)
            if moment is not None:
                times.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    except LangError:
        return None
    return times


def golden() -> list[dict[str, Any]]:
    return (
        json.loads((CASES / "lang-cron-next.json").read_text())["cases"] if CASES.is_dir() else []
    )


def test_next_times_are_those_of_the_original() -> None:
    wrong = []
    for case in golden():
        given = case["in"]
        expected = None if "error" in case else case["next"]
        found = answer(given["spec"], given["timezone"], given["after"], 3)
        if found != expected and given["timezone"] not in HALF_HOUR_SHIFTS:
            wrong.append((given, expected, found))
    assert not wrong, f"{len(wrong)} differ, first: {wrong[:5]}"
