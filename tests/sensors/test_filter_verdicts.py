"""Filters: what passes, what does not, and what cannot be answered."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from events.model import Event
from sensors import compile
from sensors.model import Verdict
from sensors.view import View

BODY = {"action": "opened", "size": 20, "draft": False, "none": None, "tags": ["a", "b"], "n": "7"}


def ask(filters: Any, operator: str = "", **event: Any) -> Verdict:
    given: dict[str, Any] = {
        "id": "1", "namespace": "default", "source": "src", "subject": "ev", "type": "webhook",
        "time": datetime(2026, 1, 1, 12, tzinfo=UTC), "data": json.dumps(BODY).encode(), **event,
    }  # fmt: skip
    judge = compile.judge({"filters": filters, "filtersLogicalOperator": operator})
    return judge(View(Event(**given)))


def data(path: str, type: str, *value: str, comparator: str = "", **more: str) -> dict[str, Any]:
    return {"path": path, "type": type, "value": list(value), "comparator": comparator, **more}


PASSES: dict[str, tuple[Any, bool]] = {
    "no filters": (None, True),
    "empty filters": ({}, True),
    "text is searched": ({"data": [data("action", "string", "open")]}, True),
    "text anchored": ({"data": [data("action", "string", "^open$")]}, False),
    "one value of several": ({"data": [data("action", "string", "x", "opened")]}, True),
    "text is not": ({"data": [data("action", "string", "opened", comparator="!=")]}, False),
    "text with an order never holds": (
        {"data": [data("action", "string", "a", comparator=">")]},
        False,
    ),
    "number above": ({"data": [data("size", "number", "10", comparator=">")]}, True),
    "number in text": ({"data": [data("n", "number", "7")]}, True),
    "double equals never holds": ({"data": [data("size", "number", "20", comparator="==")]}, False),
    "boolean": ({"data": [data("draft", "bool", "false")]}, True),
    "null reads as empty text": ({"data": [data("none", "string", "^$")]}, True),
    "all entries": ({"data": [data("size", "number", "20"), data("n", "number", "8")]}, False),
    "any entry": (
        {
            "dataLogicalOperator": "or",
            "data": [data("gone", "number", "1"), data("n", "number", "7")],
        },
        True,
    ),
    "expression": (
        {"exprs": [{"expr": "s > 10", "fields": [{"name": "s", "path": "size"}]}]},
        True,
    ),
    "expression without fields is skipped": ({"exprs": [{"expr": "false", "fields": []}]}, True),
    "context": ({"context": {"type": "webhook", "source": "src"}}, True),
    "another context": ({"context": {"type": "calendar"}}, False),
    "time of day": ({"time": {"start": "09:00:00", "stop": "17:00:00"}}, True),
    "time over midnight": ({"time": {"start": "22:00:00", "stop": "06:00:00"}}, False),
    "time elsewhere": (
        {"time": {"start": "20:00:00", "stop": "22:00:00", "timezone": "Asia/Tokyo"}},
        True,
    ),
}


@pytest.mark.parametrize("name", PASSES)
def test_event_passes_or_not(name: str) -> None:
    filters, passes = PASSES[name]
    verdict = ask(filters)
    assert (verdict.lets_pass, verdict.error) == (passes, "")
    assert passes or verdict.reason


ERRORS: dict[str, tuple[Any, str]] = {
    "missing path": (
        {"data": [data("gone", "string", "x", comparator="!=")]},
        "path 'gone' does not exist",
    ),
    "no values": ({"data": [data("action", "string")]}, "no values specified"),
    "no number": ({"data": [data("size", "number", "ten")]}, 'strconv.ParseFloat: parsing "ten"'),
    "no boolean": ({"data": [data("draft", "bool", "yes")]}, 'strconv.ParseBool: parsing "yes"'),
    "no type": ({"data": [data("size", "", "1")]}, "unsupported JSON type ''"),
    "no pattern": ({"data": [data("action", "string", "[")]}, "error parsing regexp"),
    "broken expression": (
        {"exprs": [{"expr": "s >", "fields": [{"name": "s", "path": "size"}]}]},
        "Unexpected end of expression",
    ),
    "no such zone": (
        {"time": {"start": "09:00:00", "stop": "10:00:00", "timezone": "Mars/Phobos"}},
        "invalid timezone 'Mars/Phobos'",
    ),
    "no such time": (
        {"time": {"start": "09:00", "stop": "10:00:00"}},
        'parsing time "2026-01-01 09:00"',
    ),
    "a kind nobody has": ({"moon": {"phase": "full"}}, "unknown kind 'moon'"),
    "a shape that does not fit": ({"data": {"path": "x"}}, "Expected `array`"),
    "a script where none can be run": (
        {"script": "return true"},
        "lua programs cannot be run here",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_answered_is_an_error(name: str) -> None:
    filters, message = ERRORS[name]
    verdict = ask(filters)
    assert not verdict.lets_pass
    assert message in verdict.error


def test_or_between_filters_forgives_no_error() -> None:
    both = {"context": {"type": "webhook"}, "data": [data("gone", "string", "x")]}
    verdict = ask(both, "or")
    assert verdict.passed
    assert not verdict.lets_pass


def test_or_between_filters_counts_only_what_is_configured() -> None:
    assert not ask({}, "or").lets_pass
    assert ask({"context": {"type": "x"}, "data": [data("n", "number", "7")]}, "or").lets_pass


def test_an_event_without_data_passes_payload_filters() -> None:
    filters = {"data": [data("gone", "string", "x")]}
    assert ask(filters, data=b"").lets_pass
    assert ask(filters, data=b"not json").error == "data filter error (event data not valid JSON)"


def test_a_verdict_keeps_every_value_it_saw() -> None:
    verdict = ask({"data": [data("size", "number", "20"), data("n", "number", "8")]})
    assert [(check.field, check.saw, check.passed) for check in verdict.checks] == [
        ("size", "20", True),
        ("n", "7", False),
    ]
    assert verdict.path == "data[1]"
