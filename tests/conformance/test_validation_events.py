"""Argo Events' validator on sensors, event sources, event buses, TLS and SASL blocks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bireme.kit.errors import InvalidManifest, Problem
from bireme.manifests import decode, events, validate_events
from bireme.manifests.validate import validate, validate_sensor

CASES = Path(__file__).parents[2] / "../shared/conformance/cases/argo-events.json"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="conformance material is not here")
GROUPS = json.loads(CASES.read_text()) if CASES.exists() else {}
ARGO = "argoproj.io/v1alpha1"

DEPENDENCY = {"name": "d", "eventSourceName": "s", "eventName": "e"}
TRIGGER = {"template": {"name": "t", "log": {}}}


def cases(group: str) -> list[Any]:
    return [pytest.param(case, id=f"{group}[{i}]") for i, case in enumerate(GROUPS.get(group, []))]


def agrees(case: dict[str, Any], text: str) -> bool:
    expected = case.get("error") or case.get("errorContains")
    return expected in text if expected else not text


def first_problem(kind: str, spec: dict[str, Any], bus: str = "jetstream") -> str:
    whole = {"apiVersion": ARGO, "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    try:
        manifest = decode.decode(whole)
    except InvalidManifest as error:
        return f"not decoded: {error}"
    if isinstance(manifest, events.Sensor):
        return first(validate_sensor(manifest, bus))
    return first(validate(manifest))


def first(problems: list[Problem]) -> str:
    return problems[0].message if problems else ""


def sensor_with(scope: str, value: Any) -> dict[str, Any]:
    """A whole sensor around the part that a case speaks of."""
    if scope == "dependencies":
        return {"dependencies": value, "triggers": [TRIGGER]}
    if scope == "triggers":
        return {"dependencies": [DEPENDENCY], "triggers": value}
    wrap: dict[str, Callable[[Any], dict[str, Any]]] = {
        "filters": lambda v: v,
        "data[]": lambda v: {"data": [v]},
        "exprs[]": lambda v: {"exprs": [v]},
        "context": lambda v: {"context": v},
        "time": lambda v: {"time": v},
        "data[].comparator": lambda v: {
            "data": [{"path": "p", "type": "string", "value": ["v"], "comparator": v}]
        },
    }
    filters = wrap[scope](value)
    return {"dependencies": [{**DEPENDENCY, "filters": filters}], "triggers": [TRIGGER]}


@pytest.mark.parametrize("case", cases("sensorValidation"))
def test_a_sensor_gets_the_verdict_of_argo(case: dict[str, Any]) -> None:
    scope, value = case["scope"], case["input"]
    bus = "nats" if "STAN" in case.get("bus", "") else "jetstream"
    if "|" not in scope:
        assert agrees(case, first_problem("Sensor", sensor_with(scope, value), bus))
        return
    for field in ("exprLogicalOperator", "dataLogicalOperator"):
        assert agrees(case, first_problem("Sensor", sensor_with("filters", {field: value})))
    dependency = {**DEPENDENCY, "filtersLogicalOperator": value}
    assert agrees(case, first_problem("Sensor", sensor_with("dependencies", [dependency])))


@pytest.mark.parametrize("case", cases("eventSourceValidation"))
def test_an_event_source_gets_the_verdict_of_argo(case: dict[str, Any]) -> None:
    assert agrees(case, first_problem("EventSource", case["input"]))


@pytest.mark.parametrize("case", cases("eventBusValidation"))
def test_an_event_bus_gets_the_verdict_of_argo(case: dict[str, Any]) -> None:
    assert agrees(case, first_problem("EventBus", case["input"]))


@pytest.mark.parametrize("case", cases("tlsSaslValidation"))
def test_tls_and_sasl_blocks_get_the_verdict_of_argo(case: dict[str, Any]) -> None:
    text = ""
    try:
        if case["kind"] == "tls":
            validate_events.check_tls(msgspec.convert(case["input"], events.TLSConfig | None))
        else:
            validate_events.check_sasl(msgspec.convert(case["input"], events.SASLConfig | None))
    except validate_events.InvalidAt as error:
        text = str(error)
    assert agrees(case, text)
