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

# Go's virtual machine skips its type checks after `??`, `?:`, `if` and other operands without a static type: a text is
# then a list of bytes, sort() of a scalar is empty, min and max of one value are that value, `&&` gives its right side.
# Ours says that the type is wrong.
UNTYPED_OPERANDS = {
    "sort(ok ?? f64)", "str ?? array | map(array)", "max(ok ?? foo)", "sort(foo ?? ok)", "str ?? ok | findIndex(false)",
    "str ?? foo | none(true)", "sort({foo: nil}.i)", "sort(str ?? 1.0)", "min(str ?? list)", "ok && foo ?? ok",
    "max(true ?? 1)", "max(str ?? foo)", "min({foo: nil}?.i)", "str ?? array | none(true)", "sum(str ?? ok)",
    "sort(1 ?? array)", "str ?? 0 | map(ok)", "sum(str ?? false, #)", "max(foo ?? 1.0)", "max(foo ?? true)",
    "sort(array | mean(1))", "max(str ?? 1.0)", "min({foo: 1.0}.array)", "sort(max(array))", "min(true ? nil : i)",
    "sort(i ?? f64)", "ok && mean(array)", "ok && 1.0 ?? list", "str ?? false | findLastIndex(# not in list)",
    "max(foo ?? ok)", "min(foo ?? str)", "ok && foo ?? i", "sum(if false { foo } else { str })",
    "string(sort(ok ? foo : 1.0))", "min(if true { false } else { foo })", "min(findIndex(list, false))",
    "min(str ?? false)", "str ?? ok | all(ok)", "sort(i ?? 1.0)", "max(list) startsWith str and false",
    "sort(true ?? f64)", "sort(if false { 1.0 } else { 1 })", "type(list) ?? foo | reduce(foo, 1.0)",
    "ok && min(array)", "true && str ?? f64", "max({foo: true, foo: str}?.list)", "min(false ?? array)",
    "sum(str ?? list)", "sort(false ?? array)", "sort(array | median(1, i))", "min(foo ?? 1)", "sum(false ?: str)",
    "max(str ?? i)",
}  # fmt: skip
# Refused by Go's static type check only; ours has no static types and evaluates.
STATIC_CHECKS = {
    "1 != list ?? array ?: list", "1.0 != list ?? array", "f64 == list ?? array", "none([], true)", "none?.x",
    'none?.x ?? "d"', "1.5..3", '"2" == 2', "nums[1.0]", "$env.nope",
}  # fmt: skip
# A name that exists nowhere is refused even where it would not be looked at.
UNKNOWN_NAMES = {"{foo: 1.0}?.Bar?.list(foobar)"}
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

    assert wrong == UNTYPED_OPERANDS | STATIC_CHECKS | UNKNOWN_NAMES | TYPES


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
