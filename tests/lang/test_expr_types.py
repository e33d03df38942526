"""The static check of expr: what cannot be right is refused before anything runs, the rest is left to its values."""

import pytest

from bireme.lang import environment, expr
from bireme.lang.errors import LangError, Refused

ENV = {"n": 1, "text": "a", "flag": True, "list": [1, "b"], "data": {"a": 1}, "nothing": None}

REFUSED = {
    "text == n": "invalid operation: == (mismatched types string and int)",
    "n + text": "invalid operation: + (mismatched types int and string)",
    "flag && n": "invalid operation: && (mismatched types bool and int)",
    "not text": "invalid operation: not (mismatched type string)",
    "n.field": "type int has no field field",
    "text[0]": "type string[int] is undefined",
    "nothing.field": "type nil has no field field",
    "list.field": "array elements can only be selected using an integer (got string)",
    "data[0]": "cannot use int to get an element from map[string]interface {}",
    "n in data": "cannot use int as type string in map key",
    "upper(n)": "cannot use int as argument (type string) to call upper",
    "len(n)": "invalid argument for len (type int)",
    "map(text, #)": "builtin map takes only array (got string)",
    "filter(list, 1)": "predicate should return boolean (got int)",
    "n ? 1 : 2": "non-bool expression (type int) used as condition",
    "text(1)": "string is not callable",
    "let n = 2; n": "cannot redeclare n",
    "missing": "unknown name missing",
    "flag or missing": "unknown name missing",
    "$env.missing": "unknown name missing",
    "true ? 1 : text.field": "type string has no field field",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_right_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        expr.compile(text).evaluate(ENV)
    assert str(refusal.value).startswith(REFUSED[text])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data.a == 1", True),  # what is inside a map may be anything
        ("data.a == 'x'", False),
        ("list[1] + 'c'", "bc"),
        ("nothing == n", False),
        ("n == 1.0", True),
        ("(flag ? n : text) == 1", True),
        ("(nothing ?? n) + 1", 2),
        ("$env?.missing", None),
        ("data.missing?.deeper", None),
        ("let m = data.a; m + 1", 2),
        ("find(list, # == 'b')", "b"),
        ("reduce(list[:1], #acc + #, 1)", 2),
    ],
)
def test_what_may_be_right_is_left_to_its_values(text: str, value: object) -> None:
    assert expr.compile(text).evaluate(ENV) == value


def test_the_verdict_depends_on_the_types_of_the_variables() -> None:
    same = expr.compile("a == b")
    assert same.evaluate({"a": 1, "b": 1}) is True
    with pytest.raises(Refused):
        same.evaluate({"a": 1, "b": "1"})
    assert same.evaluate({"a": "1", "b": "1"}) is True
    with pytest.raises(LangError, match="unknown name b"):
        same.evaluate({"a": 1})


def test_a_name_that_is_not_there_is_nil_where_that_is_allowed() -> None:
    assert expr.compile("missing == nil").evaluate({}, undefined_ok=True) is True


def test_nil_given_to_a_sprig_function_is_the_zero_value_of_what_it_takes() -> None:
    functions = environment.functions()
    for text, value in {
        "sprig.upper(nothing)": "",
        "sprig.trunc(3, nothing)": "",
        "sprig.atoi(nothing) + 1": 1,
        "sprig.hasKey(nothing, 'a')": False,
        "sprig.default('d', nothing)": "d",
    }.items():
        assert expr.compile(text).evaluate(ENV, functions) == value
