"""Why a sensor hears nothing."""

from typing import Any

import pytest

from events.inlet import SourceStatus
from server import listening

SOURCE: dict[str, Any] = {"metadata": {"name": "shop"}, "spec": {"webhook": {"order": {}}}}


def sensor(source: str, event: str, **spec: Any) -> dict[str, Any]:
    dependency = {"name": "d", "eventSourceName": source, "eventName": event}
    return {"metadata": {"name": "s"}, "spec": {"dependencies": [dependency], **spec}}


def status(**given: Any) -> SourceStatus:
    told = {"state": "listening", **given}
    return SourceStatus(namespace="default", name="shop", kind="webhook", subject="order", **told)


CASES: dict[str, tuple[dict[str, Any], SourceStatus, bool, str]] = {
    "another source is not its": (
        sensor("shopp", "order"),
        status(),
        False,
        "no EventSource 'shopp' (did you mean shop?)",
    ),
    "another event": (
        sensor("shop", "oder"),
        status(),
        False,
        "EventSource 'shop' has no event 'oder' (did you mean order?)",
    ),
    "another bus": (
        sensor("shop", "order", eventBusName="audit"),
        status(),
        False,
        "its source is on another event bus than this sensor (eventBusName)",
    ),
    "a service that is away": (
        sensor("shop", "order"),
        status(state="waiting to restart", error="no broker answers"),
        False,
        "waiting to restart: no broker answers; since it was applied 0 accepted",
    ),
    "only refused requests": (
        sensor("shop", "order"),
        status(refused=3, last_refusal="400 signature"),
        True,
        "listening; since it was applied 0 accepted, 3 refused, last: 400 signature",
    ),
    "all well": (
        sensor("shop", "order"),
        status(accepted=7),
        True,
        "listening; since it was applied 7 accepted",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_dependency_says_whether_something_can_come(name: str) -> None:
    given, fares, is_heard, says = CASES[name]
    (found,) = listening.dependencies(given, [SOURCE], [fares])
    assert (found["isHeard"], found["says"]) == (is_heard, says)
