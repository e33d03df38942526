"""The rules of filters against a second opinion: combinations, comparisons and times of day, for any input."""

import json
import operator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.lang.script import Program, ScriptError
from events.model import Event
from sensors import compile
from sensors.model import Verdict
from sensors.view import View

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BODY = {"yes": 1, "no": 2}


class Played:
    """Scripts whose text is their answer."""

    def run(self, program: Program, data: bytes) -> bytes:
        if program.text == "error":
            raise ScriptError("script error")
        return program.text.encode()

    def check(self, program: Program) -> None: ...


def ask(filters: Any, op: str = "", data: Any = None, time: datetime = NOON) -> Verdict:
    event = Event(
        id="1", namespace="default", source="src", subject="ev", type="webhook", time=time,
        data=json.dumps(BODY if data is None else data).encode(),
    )  # fmt: skip
    judge = compile.judge({"filters": filters, "filtersLogicalOperator": op})
    return judge(View(event, Played()))


TRUE, FALSE, ERROR = "true", "false", "error"
ANSWERS = st.sampled_from([TRUE, FALSE, ERROR])


def data_entry(answer: str) -> dict[str, Any]:
    path = {TRUE: "yes", FALSE: "no", ERROR: "gone"}[answer]
    return {"path": path, "type": "number", "value": ["1"]}


def expr_entry(answer: str) -> dict[str, Any]:
    return {"expr": "x == 1", "fields": [{"name": "x", "path": data_entry(answer)["path"]}]}


def context(answer: str) -> dict[str, str]:
    return {"type": "webhook" if answer == TRUE else "other"}


def time(answer: str) -> dict[str, str]:
    return {
        TRUE: {"start": "11:00:00", "stop": "13:00:00"},
        FALSE: {"start": "13:00:00", "stop": "14:00:00"},
        ERROR: {"start": "noon", "stop": "14:00:00"},
    }[answer]


def group(answers: list[str], op: str) -> str:
    """Upstream's rule inside a group: the first decision ends it; a true forgives what was wrong before."""
    if op == "or":
        return TRUE if TRUE in answers else ERROR if ERROR in answers else FALSE
    return next((answer for answer in answers if answer != TRUE), TRUE)


def whole(groups: list[str], op: str) -> str:
    """Upstream's rule between groups: no error is forgiven, wherever it is."""
    if ERROR in groups:
        return ERROR
    passes = any if op == "or" else all
    return TRUE if passes(answer == TRUE for answer in groups) else FALSE


OPERATORS = st.sampled_from(["", "and", "or"])
ENTRIES = st.none() | st.lists(ANSWERS, min_size=1, max_size=4)
ONE = st.none() | ANSWERS
CERTAIN = st.none() | st.sampled_from([TRUE, FALSE])


@given(ENTRIES, OPERATORS, ENTRIES, OPERATORS, CERTAIN, ONE, ONE, OPERATORS)
@settings(max_examples=500, deadline=None)
def test_groups_combine_by_upstreams_rules(
    exprs: list[str] | None, expr_op: str, data: list[str] | None, data_op: str,
    ctx: str | None, at: str | None, script: str | None, op: str,
) -> None:  # fmt: skip
    filters: dict[str, Any] = {"exprLogicalOperator": expr_op, "dataLogicalOperator": data_op}
    groups = []
    if exprs is not None:
        filters["exprs"] = [expr_entry(answer) for answer in exprs]
        groups.append(group(exprs, expr_op))
    if data is not None:
        filters["data"] = [data_entry(answer) for answer in data]
        groups.append(group(data, data_op))
    for key, answer, make in (
        ("context", ctx, context),
        ("time", at, time),
        ("script", script, str),
    ):
        if answer is not None:
            filters[key] = make(answer)
            groups.append(answer)
    verdict, wanted = ask(filters, op), whole(groups, op)
    assert (TRUE if verdict.lets_pass else ERROR if verdict.error else FALSE) == wanted
    assert verdict.lets_pass or (verdict.reason and (verdict.path or not groups))


COMPARE: dict[str, Any] = {
    "": operator.eq, "=": operator.eq, "!=": operator.ne,
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
NUMBERS = st.integers(-5, 5) | st.floats(-5, 5)


@given(
    NUMBERS,
    st.lists(NUMBERS, min_size=1, max_size=3),
    st.sampled_from(list(COMPARE)),
    st.booleans(),
)
@settings(deadline=None)
def test_numbers_compare_with_any_of_the_values(
    datum: float, values: list[float], comparator: str, as_text: bool
) -> None:
    given = {
        "path": "n",
        "type": "number",
        "comparator": comparator,
        "value": [repr(v) for v in values],
    }
    verdict = ask({"data": [given]}, data={"n": repr(datum) if as_text else datum})
    assert verdict.lets_pass == any(COMPARE[comparator](datum, value) for value in values)


COERCED: dict[str, tuple[Any, float]] = {
    "true is one": (True, 1), "false is zero": (False, 0), "null is zero": (None, 0),
    "a list is zero": ([7], 0), "an object is zero": ({"n": 7}, 0), "no number is zero": ("seven", 0),
    "a number in text": ("7.5", 7.5), "an exponent": ("1e3", 1000), "hexadecimal": ("0x1p4", 16),
    "beyond all numbers": ("1e999", float("inf")), "below all numbers": ("-1e999", float("-inf")),
}  # fmt: skip


@pytest.mark.parametrize("name", COERCED)
def test_what_is_no_number_counts_as_one(name: str) -> None:
    datum, counts_as = COERCED[name]
    value = {float("inf"): "Inf", float("-inf"): "-Inf"}.get(counts_as, repr(counts_as))
    assert ask(
        {"data": [{"path": "n", "type": "number", "value": [value]}]}, data={"n": datum}
    ).lets_pass


@given(
    st.text("ab", max_size=4),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3),
)
@settings(deadline=None)
def test_texts_are_searched_for_any_of_the_values(datum: str, values: list[str]) -> None:
    found = {"path": "s", "type": "string", "value": values}
    assert ask({"data": [found]}, data={"s": datum}).lets_pass == any(v in datum for v in values)
    missing = {**found, "comparator": "!="}
    assert ask({"data": [missing]}, data={"s": datum}).lets_pass == any(
        v not in datum for v in values
    )


MOMENTS = st.integers(0, 365 * 86_400).map(lambda second: NOON + timedelta(seconds=second))
TIMES = st.times().map(lambda t: t.replace(microsecond=0))
ZONES = st.sampled_from(
    ["", "UTC", "Asia/Tokyo", "Asia/Kolkata", "America/Sao_Paulo"]
)  # without jumps in 2026


@given(MOMENTS, TIMES, TIMES, ZONES)
@settings(max_examples=300, deadline=None)
def test_times_of_day_are_half_open_and_wrap_over_midnight(
    at: datetime, start: Any, stop: Any, zone: str
) -> None:
    given = {"start": start.isoformat(), "stop": stop.isoformat(), "timezone": zone}
    local = at.astimezone(ZoneInfo(zone or "UTC")).time()
    wanted = start <= local < stop if start < stop else local >= start or local < stop
    assert ask({"time": given}, time=at).lets_pass == wanted


@given(MOMENTS, TIMES, st.integers(1, 86_399), ZONES)
@settings(deadline=None)
def test_an_interval_and_its_rest_share_the_day(
    at: datetime, start: Any, length: int, zone: str
) -> None:
    stop = (datetime.combine(at.date(), start) + timedelta(seconds=length)).time()
    one = {"start": start.isoformat(), "stop": stop.isoformat(), "timezone": zone}
    rest = {"start": stop.isoformat(), "stop": start.isoformat(), "timezone": zone}
    assert ask({"time": one}, time=at).lets_pass != ask({"time": rest}, time=at).lets_pass


EMPTY: dict[str, tuple[Any, str, bool]] = {
    "no filters": ({}, "", True),
    "no filters, or": ({}, "or", False),
    "operators alone, or": ({"dataLogicalOperator": "or"}, "or", False),
    "no data entries": ({"data": []}, "", True),
    "no data entries, or": ({"data": []}, "or", True),
    "no expressions": ({"exprs": []}, "", True),
    "no expressions, or inside": ({"exprs": [], "exprLogicalOperator": "or"}, "", False),
    "an expression without fields": ({"exprs": [{"expr": "false"}]}, "", True),
    "an expression without fields, or inside": (
        {"exprs": [{"expr": "true"}], "exprLogicalOperator": "or"}, "", False,
    ),
    "an empty context": ({"context": {}}, "", True),
    "null groups": ({"data": None, "exprs": None, "time": None, "script": None}, "", True),
    "null groups, or": ({"data": None, "exprs": None, "time": None, "script": None}, "or", False),
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_what_is_empty_counts_as_upstream_counts_it(name: str) -> None:
    filters, op, passes = EMPTY[name]
    verdict = ask(filters, op)
    assert (verdict.lets_pass, verdict.error) == (passes, "")
