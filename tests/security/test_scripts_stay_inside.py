"""Programs in manifests that never end, take all memory or reach for the system: each costs its own budget, no more."""

import time
from collections.abc import Iterator

import pytest

from bireme.lang.script import Kind, Overrun, Program, ScriptError
from bireme.sandbox.limits import Limits
from bireme.sandbox.run import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(cpu_s=0.1, strikes=1_000_000, debt_s=1_000_000))
    yield made
    made.close()


WITHOUT_END: dict[str, tuple[Kind, str]] = {
    "jq loop": ("jq.first", "def f: f; f"),
    "jq recursion": ("jq.first", "def f: 1 + f; f"),
    "jq output": ("jq.all", "repeat(1)"),
    "jq list": ("jq.first", "[range(1e12)]"),
    "jq text": ("jq.first", '"a" * 1e9'),
    "jq nesting": ("jq.first", "reduce range(1e9) as $i (null; [.])"),
    "jq catastrophic pattern": ("jq.first", '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" | test("(a+)+$")'),
    "Lua loop": ("lua.truth", "while true do end"),
    "Lua loop that catches": ("lua.truth", "while true do pcall(function() while true do end end) end"),
    "Lua loop in a coroutine": ("lua.truth", "coroutine.wrap(function() while true do end end)()"),
    "Lua loop in a metamethod": (
        "lua.truth", "return setmetatable({}, {__index=function() while true do end end}).x",
    ),
    "Lua catastrophic pattern": ("lua.truth", "return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))"),
    "Lua text": ("lua.truth", "local s = 'x' while true do s = s .. s end"),
    "Lua table": ("lua.truth", "local t = {} for i = 1, 1e12 do t[i] = i end"),
    "Lua format": ("lua.truth", "local t = {} while true do t[#t + 1] = ('%99d'):format(#t):rep(1e5) end"),
    "Lua result": ("lua.table", "local t = {} for i = 1, 1e6 do t[i] = 'x' end return {t, t, t, t, t, t, t, t}"),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_END)
def test_what_never_ends_is_ended_and_others_go_on(name: str, sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(Overrun):
        sandbox.run(Program(*WITHOUT_END[name]), b"{}")
    assert time.monotonic() - started < 10
    assert sandbox.run(Program("jq.first", "."), b"1") == b"1"


REACHES_OUT: dict[str, tuple[Kind, str, bytes | None]] = {
    "the environment": ("jq.first", "[env, $ENV, env.PATH]", b"[{},{},null]"),
    "a file as a module": ("jq.first", 'include "/etc/passwd"; .', None),
    "a file as data": ("jq.first", 'import "/etc/passwd" as $d; $d', None),
    "other input": ("jq.first", "input", None),
    "the search path": ("jq.first", "get_search_list", b"[]"),
    "ending the process": ("jq.all", 'halt, ("x" | halt_error(7))', b""),
    "writing elsewhere": ("jq.first", "debug | stderr | input_filename", b"null"),
    "libraries": ("lua.truth", "return not (os or io or package or debug or python)", b"true"),
    "loaders": (
        "lua.truth",
        "return not (load or loadstring or loadfile or dofile or require or module or string.dump)",
        b"true",
    ),
    "environments": ("lua.truth", "return not (getfenv or setfenv or newproxy or collectgarbage)", b"true"),
    "the shared strings": ("lua.truth", "return getmetatable('').__index", None),
    "the shared names": ("lua.truth", "return getmetatable(_G) or getmetatable(string)", b"false"),
    "another metatable for all strings": ("lua.truth", "setmetatable('', {})", None),
    "another metatable for the names": ("lua.truth", "setmetatable(_G, {})", None),
    "writing to the answer": ("lua.truth", "print('\\0\\1\\0\\0\\0true') return true", b"true"),
}  # fmt: skip


@pytest.mark.parametrize("name", REACHES_OUT)
def test_what_reaches_out_finds_nothing(name: str, sandbox: Sandbox) -> None:
    kind, text, answer = REACHES_OUT[name]
    if answer is None:
        with pytest.raises(ScriptError):
            sandbox.run(Program(kind, text), b"{}")
    else:
        assert sandbox.run(Program(kind, text), b"{}") == answer


def test_one_run_leaves_nothing_to_the_next(sandbox: Sandbox) -> None:
    spoil = """
    secret = event.secret
    string.upper = function() return 'spoilt' end
    rawset(string, 'lower', function() return 'spoilt' end)
    rawset(_G, 'tostring', nil)
    table.insert, math.floor, pairs = nil, nil, nil
    event.x = 1
    return {}
    """
    sandbox.run(Program("lua.table", spoil), b'{"secret":"s"}')
    look = """
    return {secret = tostring(secret), upper = ('a'):upper() .. string.upper('a'), lower = string.lower('A'),
            floor = math.floor(1.5), x = tostring(event.x), insert = type(table.insert), pairs = type(pairs)}
    """
    again = sandbox.run(Program("lua.table", look), b"{}")
    for part in (b'"secret":"nil"', b'"upper":"AA"', b'"lower":"a"', b'"floor":1', b'"x":"nil"'):
        assert part in again
    assert again.count(b'"function"') == 2


def test_a_program_run_again_starts_from_nothing(sandbox: Sandbox) -> None:
    count = Program("lua.table", "n = (n or 0) + 1 return {n = n}")
    assert [sandbox.run(count, b"{}") for _ in range(3)] == [b'{"n":1}'] * 3


def test_event_text_is_never_a_program(sandbox: Sandbox) -> None:
    texts = ['"]}) os.exit() --', "\\u001bLua", "]] .. error() .. [[", '\\"; env; \\"', "$(id)"]
    for text in texts:
        data = f'{{"a":"{text}"}}'.replace('"]})', '\\"]})').encode()
        assert sandbox.run(Program("jq.first", "[.a == .a, (.a|type)]"), data) == b'[true,"string"]'
        assert (
            sandbox.run(Program("lua.truth", "return type(event.a) == 'string'"), data) == b"true"
        )
