"""The language of `exprs`, where people trip over it."""

from typing import Any

import pytest

from bireme.lang import govaluate
from bireme.lang.errors import LangError

HOLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "both sides": ("a > 4 && b == 'x'", {"a": 5.0, "b": "x"}),
    "precedence of power": ("2 ** 3 + 1 == 9", {}),
    "subtraction associates left": ("10 - 3 - 2 == 5", {}),
    "negative of a name": ("-a < 0", {"a": 1.0}),
    "one of a list": ("a in (1, 5)", {"a": 5.0}),
    "one of a list in the payload": ("'x' in tags", {"tags": ["x", "y"]}),
    "name with a hyphen": ("[my-name] == 5", {"my-name": 5.0}),
    "regular expression anywhere": ("b =~ 'tar'", {"b": "a start"}),
    "ternary": ("b == 'x' ? true : false", {"b": "x"}),
    "null falls back": ("(n ?? 'd') == 'd'", {"n": None}),
    "or needs only what it needs": ("a == 1 || nobody", {"a": 1.0}),
    "text and number make text": ("'v' + 2 == 'v2'", {}),
    "a date literal is a number": ("'2014-01-02' > 1388534400", {}),
    "bits of what is no number": ("(1 ^ (1 / 0)) < 0 && (1 << 64) == 0 && (-3 >> 60) == 15", {}),
    "a time of day is in the year zero": ("'1:30PM' == -62167170600", {}),
    "bits": ("(6 & 3) == 2 && (1 << 3) == 8", {}),
}


@pytest.mark.parametrize("name", HOLDS)
def test_expression_holds(name: str) -> None:
    text, env = HOLDS[name]
    assert govaluate.compile(text)(env) is True


FAILS: dict[str, tuple[str, dict[str, Any], str]] = {
    "single equals": ("a = 5", {"a": 5.0}, "Invalid token: '='"),
    "nothing after an operator": ("a ==", {}, "Unexpected end of expression"),
    "function": ("len(b) == 1", {}, "Undefined function len"),
    "unknown name": ("zz == 1", {}, "No parameter 'zz' found."),
    "text compared with a number": ("b > 5", {"b": "x"}, "Value 'x' cannot be used"),
    "open parenthesis": ("(a == 1", {"a": 1.0}, "Unbalanced parenthesis"),
    "open string": ("a == 'x", {"a": "x"}, "Unclosed string literal"),
    "open bracket": ("[a == 1", {}, "Unclosed parameter bracket"),
    "two values in a row": ("a b", {}, "Cannot transition token types"),
    "not of a number": ("!a", {"a": 1.0}, "it is not a bool"),
    "member of a map": (
        "true || o.p == 1",
        {"o": {"p": 1.0}},
        "Unable to access unexported field 'p' in token 'o.p'",
    ),
    "member of a map, as Go exports it": ("o.P == 1", {"o": {"P": 1.0}}, "is not a struct"),
}


@pytest.mark.parametrize("name", FAILS)
def test_expression_fails_with_a_sentence(name: str) -> None:
    text, env, message = FAILS[name]
    with pytest.raises(LangError) as failure:
        govaluate.compile(text)(env)
    assert message in str(failure.value)


def test_division_by_zero_is_infinity_as_in_go() -> None:
    assert govaluate.compile("1 / 0 > 1000")({}) is True
    assert govaluate.compile("5 % 0 == 0")({}) is False
