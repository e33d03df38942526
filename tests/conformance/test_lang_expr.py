"""The expr language against the answers of expr-lang 1.17.8. Differences are listed with their reason."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bireme.lang import environment, expr
from bireme.lang.errors import LangError
from bireme.lang.expr.parser import parse
from bireme.lang.expr.times import Duration, Month, Time
from bireme.lang.expr.values import text

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "cases"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="no conformance material here")

# Pairs are lists here; a zone has no methods.
TYPES = {'toPairs({"a": 1})', 'timezone("UTC").String()'}


def load(name: str) -> dict[str, Any]:
    return json.loads((CASES / name).read_text())


def tagged(value: Any) -> Any:
    """A value in the notation of the cases, which keeps ints and floats apart."""
    if value is None or isinstance(value, (bool, str)):
        return value
    for kind, name in ((Duration, "time.Duration"), (Month, "time.Month"), (Time, "time.Time")):
        if isinstance(value, kind):
            return {"t": name}
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": value if math.isfinite(value) else text(value)}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    return {"m": {text(key): tagged(item) for key, item in value.items()}}


def accepts(source: str) -> bool:
    try:
        parse(source)
    except LangError:
        return False
    return True


def test_every_text_is_accepted_or_refused_as_expr_does() -> None:
    cases = load("lang-expr-syntax.json")["cases"]

    wrong = [c["in"]["expr"] for c in cases if accepts(c["in"]["expr"]) != ("canonical" in c)]

    assert wrong == []


def outcome(case: dict[str, Any], env: Any, functions: Any) -> Any:
    try:
        return tagged(expr.compile(case["in"]["expr"]).evaluate(env, functions))
    except LangError:
        return LangError


def test_every_value_and_its_type_are_those_of_expr() -> None:
    data = load("lang-expr-values.json")
    wrong = set()
    for case in data["cases"]:
        wanted = LangError if "error" in case else case["value"]
        if outcome(case, data["env"][case["in"]["env"]], {}) != wanted:
            wrong.add(case["in"]["expr"])

    assert wrong == TYPES


def floats(value: Any) -> Any:
    """The value as Go decodes JSON: every number a float."""
    return json.loads(json.dumps(value), parse_int=float)


def test_sprig_functions_in_expressions_answer_as_sprig_does() -> None:
    data = load("lang-expr-sprig.json")
    wrong = {}
    for case in data["cases"]:
        env = floats(data["env"][case["in"]["env"]])
        try:
            found = expr.compile(case["in"]["expr"]).evaluate(env, environment.functions())
        except LangError:
            found = LangError
        if found != (LangError if "error" in case else case["value"]):
            wrong[case["in"]["expr"]] = found

    assert wrong == {}
