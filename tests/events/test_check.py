"""What is said about an EventSource before it runs."""

from typing import Any

import pytest

from events import check

FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown field": (
        {"webhook": {"a": {"endpoint": "/a", "endpont": "/b"}}},
        "spec.webhook.a",
        "unknown field `endpont`",
    ),
    "a value of another type": (
        {"calendar": {"a": {"schedule": {"every": "day"}}}},
        "spec.calendar.a",
        "Expected `str`, got `object` - at `spec.calendar.a.schedule`",
    ),
    "a filter that does not parse": (
        {"webhook": {"a": {"endpoint": "/a", "port": "1", "filter": {"expression": "a =="}}}},
        "spec.webhook.a.filter.expression",
        "unexpected token EOF",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_config_that_cannot_run_is_named_by_its_field(name: str) -> None:
    spec, path, words = FAULTS[name]
    [(found, message)] = check.faults(spec)
    assert found == path
    assert words in message


def test_one_fault_hides_no_other_and_what_is_no_source_is_left_alone() -> None:
    bad = {"endpont": "/b"}
    spec = {
        "eventBusName": "b",
        "webhook": {"a": bad, "b": {"endpoint": "/b", "port": "1"}, "c": bad},
    }
    assert [path for path, _ in check.faults(spec)] == ["spec.webhook.a", "spec.webhook.c"]


def test_kinds_that_are_not_here_are_unknown_and_no_fault() -> None:
    spec = {"moonlight": {"a": {}, "b": {}}, "webhook": {"c": {"endpoint": "/", "port": "1"}}}
    assert list(check.faults(spec)) == []
    [(path, message)] = check.unknown(spec)
    assert (path, "'moonlight'" in message) == ("spec.moonlight", True)


def test_two_events_of_one_name_are_left_to_validation() -> None:
    spec = {"webhook": {"a": {}}, "file": {"a": {}}}
    assert list(check.faults(spec)) == []
    assert list(check.unknown(spec)) == []
