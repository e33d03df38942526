"""Argo's validator on about 240 objects: the same verdict and the same text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest
from bireme.manifests import decode, validate
from bireme.manifests.validate_names import (
    Invalid,
    check_acyclic,
    check_names,
    is_valid_metric_name,
)
from bireme.manifests.values import any_string, is_int_or_variable, item_text, item_type

CASES = Path(__file__).parents[2] / "../shared/conformance/cases/argo-workflows.json"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="conformance material is not here")
ALL = json.loads(CASES.read_text())["cases"] if CASES.exists() else []


def cases(operation: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in ALL if case["op"] == operation]


def verdict(case: dict[str, Any]) -> str:
    """The first problem, or "" for a valid object; numbers of placeholders are of no interest."""
    given = case["input"]
    stored = {
        (other["kind"], other["metadata"]["name"]): other for other in given.get("existing", [])
    }
    try:
        manifest = decode.decode(given["object"])
    except InvalidManifest as error:
        return f"not decoded: {error}"
    problems = validate.validate(
        manifest, lambda kind, _namespace, name: stored.get((kind, name)), given["mode"]
    )
    return numberless(problems[0].message) if problems else ""


def numberless(text: str) -> str:
    return re.sub(r"placeholder-\d+", "placeholder-N", text)


@pytest.mark.parametrize("case", cases("validate"))
def test_an_object_gets_the_verdict_and_text_of_argo(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if "error_contains" in expected:
        assert expected["error_contains"] in verdict(case)
    else:
        assert verdict(case) == numberless(expected.get("error", ""))


@pytest.mark.parametrize("case", cases("validate_names"))
def test_names_are_judged_as_argo_does(case: dict[str, Any]) -> None:
    given, fault = case["input"], ""
    try:
        check_names(given["names"], parameters=given["parameters_or_artifacts"])
    except Invalid as error:
        fault = str(error)
    assert case["expect"].get("error_contains", "") in fault
    assert bool(fault) is ("error_contains" in case["expect"])


@pytest.mark.parametrize("case", cases("validate_no_cycles"))
def test_cycles_are_found(case: dict[str, Any]) -> None:
    fault = ""
    try:
        check_acyclic(case["input"]["graph"])
    except Invalid as error:
        fault = str(error)
    assert case["expect"].get("error_contains", "") in fault
    assert bool(fault) is ("error_contains" in case["expect"])


@pytest.mark.parametrize("case", cases("is_valid_metric_name"))
def test_metric_names_are_judged_as_argo_does(case: dict[str, Any]) -> None:
    assert is_valid_metric_name(case["input"]["name"]) is case["expect"]["value"]


@pytest.mark.parametrize("case", cases("any_string"))
def test_any_string_keeps_the_text_argo_keeps(case: dict[str, Any]) -> None:
    stored = any_string(json.loads(case["input"]["json"]))
    assert (stored or "") == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("item_type_and_text"))
def test_items_have_the_type_and_text_argo_gives_them(case: dict[str, Any]) -> None:
    item = json.loads(case["input"]["json"])
    assert item_type(item) == case["expect"]["type"]
    assert item_text(item) == case["expect"]["value"]


@pytest.mark.parametrize("case", cases("is_int_or_variable"))
def test_int_or_variable_is_recognised(case: dict[str, Any]) -> None:
    assert is_int_or_variable(case["input"]["value"]) is case["expect"]["value"]
