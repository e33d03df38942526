"""Expressions: what they see, what they may not touch, what they say when they fail."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bireme.lang import environment, expr
from bireme.lang.errors import LangError, OverBudget


def value(text: str, **env: Any) -> Any:
    return expr.compile(text).evaluate(env, environment.functions())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 ** 2", 19.0),
        ("7 / 2", 3.5),
        ("-7 % 3", -1),
        ("9223372036854775807 + 1", -9223372036854775808),
        ("1 < 2 < 3", True),
        ("not ('a' in ['a']) or 'b' not in {'b': 1}", False),
        ("'abc'[1:] + string(1.50)", "bc1.5"),
        ("[1, 2, 3, 4] | filter(# % 2 == 0) | map(# * 10)", [20, 40]),
        ("reduce([1, 2, 3], #acc + #, 10)", 16),
        ("sortBy([{'n': 2}, {'n': 1}], .n, 'desc')[0].n", 2),
        ("let x = 2; let y = x * x; y + x", 6),
        ("if 1 > 2 { 'a' } else if true { 'b' } else { 'c' }", "b"),
        ("fromJSON('[1, {\"a\": null}]')[1]?.a?.b ?? 'none'", "none"),
        ("toJSON({'a': [1, '<'], 'b': {}})", '{\n  "a": [\n    1,\n    "\\u003c"\n  ],\n  "b": {}\n}'),
        ("date('2024-02-29') + duration('24h') == date('2024-03-01')", True),
        ("duration('90m').Hours()", 1.5),
        ("date('2024-02-29').Format('Mon 02 Jan 2006')", "Thu 29 Feb 2024"),
        ("jsonpath('{\"a\": [{\"b\": 1}]}', '$.a[0].b')", 1.0),
        ("sprig.upper(sprig.trim(' x '))", "X"),
        ("map(groupBy([1, 2, 3], # % 2).missing, #)", []),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_go_gives_it(text: str, expected: object) -> None:
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    "text",
    [
        "''.__class__",
        "{}.__class__.__mro__",
        "[].append",
        "len.__self__",
        "sprig.upper.__globals__",
        "sprig.semver('1.2.3').__class__",
        "date('2024-01-01').at",
        "sprig.env('HOME')",
        "sprig.expandenv('$HOME')",
        "sprig.getHostByName('localhost')",
    ],
)
def test_nothing_of_python_or_the_machine_can_be_reached(text: str) -> None:
    with pytest.raises(LangError):
        value(text)


@pytest.mark.parametrize(
    "text",
    [
        "map(1..1000, map(1..1000, map(1..1000, #)))",
        "repeat(repeat('a', 999999), 999999)",
        "1..99999999",
        "reduce(1..60, #acc + #acc, 'aaaaaaaa')",
        "string(reduce(1..60, [#acc, #acc], [1]))",
        "toJson(reduce(1..60, [#acc, #acc], [1]))",
        "sprig.toJson(reduce(1..60, [#acc, #acc], [1]))",
        "reduce(1..60, [#acc, #acc], [1]) == reduce(1..60, [#acc, #acc], [1])",
        "sprig.repeat(999999999, 'x')",
        "sprig.until(999999999)",
    ],
)
def test_an_expression_cannot_take_all_time_or_memory(text: str) -> None:
    with pytest.raises(OverBudget):
        value(text)


@pytest.mark.parametrize(
    "text", ["(" * 3000 + "1" + ")" * 3000, "!" * 3000 + "true", "+".join("1" * 4000), "[" * 3000]
)
def test_a_text_that_nests_too_deep_is_a_complaint_not_a_crash(text: str) -> None:
    with pytest.raises(LangError):
        value(text)


def test_a_hostile_pattern_is_matched_in_no_time() -> None:
    assert value(f"'{'a' * 60}!' matches '^(a+)+$'") is False
    assert value(f"'{'a' * 60}!' matches '^(a|a)*$'") is False
    assert value(f"'{'a' * 60}' matches '{'a?' * 60 + 'b'}'") is False


def test_an_error_shows_the_place() -> None:
    with pytest.raises(LangError) as raised:
        value("a.b +\n c.d", a={"b": 1}, c={"d": "x"})
    assert str(raised.value) == "invalid operation: int + string (1:5)\n | a.b +\n | ....^"


def test_an_unknown_name_is_an_error_unless_allowed() -> None:
    with pytest.raises(LangError, match="unknown name nope"):
        value("true || nope")
    assert expr.compile("nope == nil").evaluate({}, undefined_ok=True) is True


def test_a_name_in_the_environment_hides_the_function() -> None:
    assert value("asInt", asInt=1) == 1


def test_the_names_an_expression_needs_are_told_apart_from_those_it_can_do_without() -> None:
    expression = expr.compile("inputs.parameters['my-x'] + (steps.a.result ?? item?.y)")
    needs = {"inputs", "inputs.parameters", "inputs.parameters.my-x", "steps", "item"}
    assert expression.identifiers == needs
    assert expression.mentions == {"inputs.parameters.my-x", "steps.a.result", "item.y"}


def test_now_is_data() -> None:
    at = datetime(2026, 5, 6, 7, tzinfo=UTC)
    assert expr.compile("now().Month().String()").evaluate({}, now=at) == "May"
    with pytest.raises(LangError, match="now"):
        expr.compile("now()").evaluate({})


def test_a_result_that_is_no_bool_is_no_verdict() -> None:
    with pytest.raises(LangError, match="unable to cast expression result"):
        expr.eval_bool("1", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+x.n", None),
        ("+x.text", "abc"),
        ("x.list and true", [1, 2]),
        ("x.list and false", False),
        ("x.text or true", True),
        ("x.text or false", "abc"),
        ("get(x.list, 1.5)", 2),
        ("x[x.n]", None),
        ('timezone("") == timezone("UTC")', True),
    ],
)
def test_what_has_no_static_type_is_taken_as_it_is(text: str, expected: Any) -> None:
    assert value(text, x={"n": None, "text": "abc", "list": [1, 2]}) == expected


@pytest.mark.parametrize(
    "text",
    ["1e400", "x.text[:x.n]", "get(x.list, x.text)", "get(x, x.list)", 'float(duration("1h"))'],
)
def test_what_selects_or_measures_nothing_is_an_error(text: str) -> None:
    with pytest.raises(LangError):
        value(text, x={"n": None, "text": "abc", "list": [1, 2]})
