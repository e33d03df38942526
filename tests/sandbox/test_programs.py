"""Programs in the sandbox: what they answer, what their errors say, what they share."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.lang.script import NO_SCRIPTS, Kind, Program, ScriptError
from bireme.sandbox import frames
from bireme.sandbox.run import Sandbox

ANSWERS: dict[str, tuple[Kind, str, str, str]] = {
    "jq takes the first output": ("jq.first", "{x: .a}, error(0)", '{"a":1}', '{"x":1}'),
    "jq gives all outputs, one a line": ("jq.all", '.a, "é", null', '{"a":1}', '1\n"é"\nnull'),
    "jq without output": ("jq.first", "empty", "1", ""),
    "jq writes numbers JSON can hold": ("jq.all", "nan, infinite", "1", "null\n1.7976931348623157e+308"),
    "jq knows no environment": ("jq.first", "[env, $ENV]", "1", "[{},{}]"),
    "jq may be halted": ("jq.all", "1, halt, 2", "1", "1"),
    "jq in UTC": ("jq.first", '0 | strflocaltime("%H %Z")', "1", '"00 UTC"'),
    "jq goes through objects by their sorted keys": ("jq.first", "[.[]], [paths], tojson", '{"b":1,"a":2}', "[2,1]"),
    "jq reads numbers as floats": ("jq.first", "[.[]|tostring]", "[1.50,3.0,1e3,12345678901234567890]",
        '["1.5","3","1000","12345678901234567000"]',
    ),
    "Lua writes whole numbers in full": (
        "lua.table", "return {tostring(event.n), ('%s %d'):format(event.n, event.n)}", '{"n":123456789012345678}',
        '["123456789012345680","123456789012345680 123456789012345680"]',
    ),
    "Lua formats anything": (
        "lua.table", "return {string.format('%s %s %5s %% %q', true, nil, {} ~= nil, 1)}", "{}",
        '["true nil  true % \\"1\\""]',
    ),
    "Lua gives the last value": ("lua.table", "return {a=1}, {b=2}", "{}", '{"b":2}'),
    "Lua gives a list": ("lua.table", "return {1, nil, 3, x=1}", "{}", "[1,null,3]"),
    "Lua without a table": ("lua.table", "return 'x'", "{}", ""),
    "Lua without a value": ("lua.table", "", "{}", ""),
    "Lua sees no nulls": ("lua.table", "return event", '{"a":null,"l":[1,null,2]}', '{"l":[1,2]}'),
    "Lua sees no list in a list": ("lua.table", "return event", '{"l":[[1],{"a":[2]}]}', '{"l":[{"a":[2]}]}'),
    "Lua makes empty lists on demand": (
        "lua.table", "return {a=setmetatable({}, {__is_array=true}), b={}}", "{}", '{"a":[],"b":{}}',
    ),
    "Lua names by numbers": ("lua.table", "return {[0]='a', [2.5]='b'}", "{}", '{"0":"a","2.5":"b"}'),
    "Lua reads every escape": (
        "lua.truth",
        "return event.a == '\"\\\\/\\8\\12\\n\\r\\t\\27bad\\0' and #event.a == 13",
        '{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u001bbad\\u0000"}', "true",
    ),
    "Lua writes every escape": (
        "lua.table", "return event",
        '{"a":"\\"\\\\\\u001fnü\\u007f\\ud83d\\ude00"}',
        '{"a":"\\u0022\\u005c\\u001fnü\\u007f😀"}',
    ),
    "Lua cuts text anywhere": ("lua.table", "return {a=event.a:sub(1, 1)}", '{"a":"é"}', '{"a":"�"}'),
    "only true is true": ("lua.truth", "return 1", "{}", "false"),
    "the last value counts": ("lua.truth", "return false, true", "{}", "true"),
    "no event is an empty one": ("lua.truth", "return next(event) == nil", "null", "true"),
    "numbers are numbers": ("lua.truth", "return event.n == 3 and event.t", '{"n":3,"t":true}', "true"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_a_program_answers(name: str, sandbox: Sandbox) -> None:
    kind, text, data, wanted = ANSWERS[name]
    lines = sandbox.run(Program(kind, text), data.encode()).decode()
    assert [json.loads(line) for line in lines.splitlines()] == [
        json.loads(line) for line in wanted.splitlines()
    ]


def through_lua(value: Any) -> Any:
    """What `return event` makes of a value: the rules once more, in Python."""
    if isinstance(value, dict):
        return {key: through_lua(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        kept = [item for item in value if item is not None and not isinstance(item, list)]
        return [through_lua(item) for item in kept] or {}
    return value


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_event_goes_through_lua_by_the_rules(sandbox: Sandbox, event: Any, ascii: bool) -> None:
    data = json.dumps(event, ensure_ascii=ascii, indent=1).encode()
    made = json.loads(sandbox.run(Program("lua.table", "return event"), data))
    assert made == through_lua(event)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_event_goes_through_jq_unchanged(sandbox: Sandbox, event: Any, ascii: bool) -> None:
    data = json.dumps(event, ensure_ascii=ascii, indent=1).encode()
    assert json.loads(sandbox.run(Program("jq.first", "."), data)) == event


ERRORS: dict[str, tuple[Kind, str, str]] = {
    "jq that does not parse": ("jq.first", "{", "syntax error"),
    "jq that fails": ("jq.first", 'error("no such day")', "no such day"),
    "jq has no other input": ("jq.first", "input", "break"),
    "a name jq does not know": ("jq.first", "$x", "$x is not defined"),
    "Lua that does not parse": ("lua.truth", "\nif x return", "script:2: 'then' expected near 'return'"),
    "Lua that fails": ("lua.truth", "\n\nreturn event.x.y", "script:3: attempt to index field 'x'"),
    "Lua's own error": ("lua.table", "error('no such day')", "script:1: no such day"),
    "Lua's own error, no text": ("lua.table", "error({})", "an error that is no text"),
    "a function in the result": ("lua.table", "return {f=print}", "json: unsupported type"),
    "no number": ("lua.table", "return {f=1/0}", "not finite"),
    "bytecode": ("lua.truth", "\x1bLua", "not bytecode"),
    "endless text": ("jq.first", "1+" * 60_000 + "1", "longer than 100000 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_a_program_that_fails_says_why(name: str, sandbox: Sandbox) -> None:
    kind, text, words = ERRORS[name]
    with pytest.raises(ScriptError, match=r".*") as caught:
        sandbox.run(Program(kind, text), b"{}")
    assert words in str(caught.value)


def test_checking_compiles_and_runs_nothing(sandbox: Sandbox) -> None:
    sandbox.check(Program("jq.first", 'error("never")'))
    sandbox.check(Program("lua.table", "while true do end"))
    with pytest.raises(ScriptError, match="syntax error"):
        sandbox.check(Program("jq.first", "{"))
    with pytest.raises(ScriptError, match="unexpected symbol"):
        sandbox.check(Program("lua.table", "return ("))


def test_more_programs_than_a_child_keeps_still_answer_as_themselves(sandbox: Sandbox) -> None:
    programs = [Program("jq.first", f". + {number}") for number in range(frames.SLOTS + 20)]
    for _ in range(2):
        answers = [sandbox.run(program, b"1") for program in programs]
        assert answers == [str(number + 1).encode() for number in range(frames.SLOTS + 20)]


def test_without_a_sandbox_every_program_is_an_error_that_says_so() -> None:
    with pytest.raises(ScriptError, match="jq programs cannot be run here"):
        NO_SCRIPTS.run(Program("jq.all", "."), b"1")
    with pytest.raises(ScriptError, match="lua programs cannot be checked here"):
        NO_SCRIPTS.check(Program("lua.truth", "return true"))
