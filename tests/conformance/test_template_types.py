"""Cases with Argo's answers about what happens inside a step: data, resource."""

import json
from pathlib import Path
from typing import Any

import pytest

from bireme.lang.errors import LangError
from bireme.sandbox.run import Sandbox
from executor import resource_conditions, resource_outputs
from executor.backends.data import transform

CASES = Path(__file__).parents[3] / "shared/conformance/cases/argo-workflows.json"


def cases(op: str) -> list[Any]:
    if not CASES.exists():
        return [
            pytest.param({}, marks=pytest.mark.skip("no conformance material beside the checkout"))
        ]
    found = [case for case in json.loads(CASES.read_text())["cases"] if case["op"] == op]
    return [pytest.param(case, id=case["id"]) for case in found]


@pytest.mark.parametrize("case", cases("data_transform"))
def test_data_goes_through_the_expressions(case: dict[str, Any]) -> None:
    steps = [{"expression": text} for text in case["input"]["steps"]]
    wanted = case["expect"]["value"]
    if wanted == "error":
        with pytest.raises(LangError):
            transform(case["input"]["data"], steps, "data")
    else:
        assert json.loads(transform(case["input"]["data"], steps, "data")) == wanted


@pytest.mark.parametrize("case", cases("match_conditions"))
def test_conditions_of_a_resource(case: dict[str, Any]) -> None:
    given, expect = case["input"], case["expect"]
    if (expect["error"] or "").startswith("failure condition"):
        with pytest.raises(resource_conditions.FailureMet) as found:
            resource_conditions.judge(given["object"], given["success"], given["failure"])
        assert str(found.value) == expect["error"]
    else:
        verdict = resource_conditions.judge(given["object"], given["success"], given["failure"])
        assert verdict == ("wait" if expect["finished"] else "success")


@pytest.mark.parametrize("case", cases("jq_filter"))
def test_a_jq_filter_over_a_resource(case: dict[str, Any]) -> None:
    sandbox = Sandbox()
    given = case["input"]
    found = resource_outputs.by_jq(given["filter"], given["json"], sandbox)
    sandbox.close()
    assert found == case["expect"]["value"]
