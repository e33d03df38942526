"""What lint says about sensors: programs, patterns, paths and comparisons, each on its line."""

from collections.abc import Iterator

import pytest

from bireme.kit.errors import MissingExtra
from bireme.lang.script import Program
from bireme.manifests.lint import lint
from bireme.sandbox.run import Sandbox

HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: {}\nmetadata: {{name: x}}\nspec:\n"
TRIGGERS = "  triggers:\n  - template: {name: t, log: {}}\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


def linted(
    dependency: str, sandbox: Sandbox, *, triggers: str = TRIGGERS
) -> list[tuple[int, str, str]]:
    """(line of the spec, severity, message) of each problem with a sensor of that dependency."""
    head = HEAD.format("Sensor")
    begin = "  dependencies:\n  - name: a\n    eventSourceName: s\n    eventName: e\n"
    found, _ = lint([(head + begin + dependency + triggers, "f.yaml")], scripts=sandbox)
    above = (head + begin).count("\n")
    return [(one.line - above, one.severity, one.message) for one in found]


NEVER = "trigger 't' never fires: no event passes dependency 'a'"

BROKEN: dict[str, tuple[str, int, str]] = {
    "jq": ("    transform: {jq: '{'}\n", 1, "syntax error"),
    "jq of several lines": (
        "    transform:\n      jq: |\n        .a |\n        .b | nobody\n",
        4,
        "nobody/0 is not defined",
    ),
    "Lua": ("    transform: {script: 'return ('}\n", 1, "unexpected symbol near '<eof>'"),
    "Lua of several lines": (
        "    filters:\n      script: |-\n        local x = 1\n        return x +\n",
        4,
        "unexpected symbol",
    ),
    "an expression": (
        "    filters:\n      exprs:\n      - {expr: 'x ==', fields: [{name: x, path: b}]}\n",
        3,
        "does not parse: Unexpected end",
    ),
    "a pattern": (
        "    filters:\n      data:\n      - {path: b, type: string, value: ['a(']}\n",
        3,
        "error parsing regexp",
    ),
    "a template": (
        "    filters:\n      data:\n      - {path: b, type: string, value: [a], template: '{{ .Input | '}\n",
        3,
        "does not parse",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_compile_is_an_error_on_its_line_and_ends_its_triggers(
    name: str, sandbox: Sandbox
) -> None:
    dependency, line, words = BROKEN[name]
    fault, never = linted(dependency, sandbox)
    assert fault[:2] == (line, "error")
    assert words in fault[2]
    assert never == (dependency.count("\n") + 2, "warning", NEVER)


NEVER_HOLDS: dict[str, tuple[str, str]] = {
    "texts in order": (
        "    filters: {data: [{path: b, type: string, value: [a], comparator: '>'}]}\n",
        "texts are not ordered",
    ),
    "a number that is none": (
        "    filters: {data: [{path: b, type: number, value: [a]}]}\n",
        "is not a number",
    ),
    "a truth that is none": (
        "    filters: {data: [{path: b, type: bool, value: ['yes!']}]}\n",
        "neither true nor false",
    ),
    "a type there is not": (
        "    filters: {data: [{path: b, type: date, value: [a]}]}\n",
        "no value has type",
    ),
    "another source": (
        "    filters: {context: {source: other}}\n",
        "the source of these events is 's'",
    ),
    "another event": (
        "    filters: {context: {subject: other}}\n",
        "the subject of these events is 'e'",
    ),
}


@pytest.mark.parametrize("name", NEVER_HOLDS)
def test_a_comparison_that_never_holds_is_doubted_and_ends_its_triggers(
    name: str, sandbox: Sandbox
) -> None:
    dependency, words = NEVER_HOLDS[name]
    doubt, never = linted(dependency, sandbox)
    assert doubt[:2] == (1, "warning")
    assert words in doubt[2]
    assert never == (3, "warning", NEVER)


DOUBTED: dict[str, tuple[str, str]] = {
    "jq beside a script": (
        "    transform: {jq: ., script: return event}\n",
        "script is never used",
    ),
    "a name without a field": (
        "    filters: {exprs: [{expr: x == y, fields: [{name: x, path: b}]}]}\n",
        "'y' is no field",
    ),
    "another than any of several": (
        "    filters: {data: [{path: b, type: string, value: [a, c], comparator: '!='}]}\n",
        "holds whenever one of them differs",
    ),
    "brackets for an index": (
        "    filters: {data: [{path: 'b[0].c', type: string, value: [a]}]}\n",
        "write b.0, not b[0]",
    ),
    "a leading dollar": (
        "    filters: {data: [{path: '$.b', type: string, value: [a]}]}\n",
        "write b",
    ),
    "a leading dot": (
        "    filters: {exprs: [{expr: x, fields: [{name: x, path: .b}]}]}\n",
        "write b",
    ),
    "a query left open": (
        "    filters: {data: [{path: 'b.#(x==1', type: string, value: [a]}]}\n",
        "'(' is never closed",
    ),
    "a modifier there is not": (
        "    filters: {data: [{path: 'b.@revers', type: string, value: [a]}]}\n",
        "no modifier @revers",
    ),
}


@pytest.mark.parametrize("name", DOUBTED)
def test_what_is_most_likely_not_meant_is_doubted(name: str, sandbox: Sandbox) -> None:
    dependency, words = DOUBTED[name]
    ((line, severity, message),) = linted(dependency, sandbox)
    assert (line, severity) == (1, "warning")
    assert words in message


PATHS = (
    "b", "b.0.c", "b.#", "b.#.c", 'b.#(x=="(").c', "b.#(x>1)#.c", "b|@reverse", "b.@keys", r"b\.c", "b.*", "{x,y.z}",
    "[x,y]", 'b.@flatten:{"deep":true}', "@this", "b.(c)",
)  # fmt: skip


def test_paths_of_every_shape_are_fine(sandbox: Sandbox) -> None:
    entries = [f"      - {{path: '{path}', type: string, value: [a]}}\n" for path in PATHS]
    assert linted("    filters:\n      data:\n" + "".join(entries), sandbox) == []


def test_an_entry_that_cannot_hold_ends_nothing_where_another_is_enough(sandbox: Sandbox) -> None:
    entries = "[{path: b, type: number, value: [x]}, {path: b, type: number, value: ['1']}]"
    found = linted(f"    filters: {{dataLogicalOperator: or, data: {entries}}}\n", sandbox)
    assert [message for _, _, message in found if "never fires" in message] == []


def test_a_trigger_with_another_way_is_within_reach(sandbox: Sandbox) -> None:
    triggers = (
        "  - {name: b, eventSourceName: s, eventName: f}\n"
        "  triggers:\n  - template: {name: t, conditions: a || b, log: {}}\n"
        "  - template: {name: u, conditions: a && b, log: {}}\n"
    )
    found = linted("    filters: {context: {source: other}}\n", sandbox, triggers=triggers)
    assert [(line, message) for line, _, message in found if "never fires" in message] == [
        (5, "trigger 'u' never fires: no event passes dependency 'a'")
    ]


def test_an_event_that_its_source_does_not_have_ends_its_triggers() -> None:
    source = HEAD.format("EventSource") + "  webhook: {push: {endpoint: /}}\n"
    sensor = (
        HEAD.format("Sensor")
        + "  dependencies: [{name: a, eventSourceName: x, eventName: pull}]\n"
        + TRIGGERS
    )
    found, _ = lint([(source, "s.yaml"), (sensor, "x.yaml")])
    assert [one.message for one in found] == ["event source 'x' has no event 'pull'", NEVER]


@pytest.mark.parametrize(
    ("schedule", "window", "holds"),
    [
        ("0 9 * * *", '{start: "08:00:00", stop: "10:00:00"}', True),
        ("0 9 * * *", '{start: "10:00:00", stop: "12:00:00"}', False),
        ("0 9 * * *", '{start: "09:00:00", stop: "09:00:01"}', True),
        ("0 9 * * *", '{start: "08:00:00", stop: "09:00:00"}', False),
        ("30 23 * * 1", '{start: "22:00:00", stop: "06:00:00"}', True),
        ("* * * * *", '{start: "04:00:00", stop: "04:01:00"}', True),
        ("0 9 * * *", '{start: "10:00:00", stop: "11:00:00", timezone: Europe/Berlin}', True),
        ("0 9 * * *", '{start: "11:00:00", stop: "12:00:00", timezone: Europe/Berlin}', True),
        ("0 9 * * *", '{start: "12:00:00", stop: "13:00:00", timezone: Europe/Berlin}', False),
        ("not a schedule", '{start: "12:00:00", stop: "13:00:00"}', True),
    ],
)
def test_a_time_filter_that_no_tick_passes_is_doubted(
    schedule: str, window: str, holds: bool
) -> None:
    source = HEAD.format("EventSource") + f"  calendar: {{tick: {{schedule: '{schedule}'}}}}\n"
    entry = f"{{name: a, eventSourceName: x, eventName: tick, filters: {{time: {window}}}}}"
    sensor = HEAD.format("Sensor") + f"  dependencies: [{entry}]\n" + TRIGGERS
    found, _ = lint([(source, "s.yaml"), (sensor, "x.yaml")])
    assert ["has no tick between" in one.message for one in found] == (
        [] if holds else [True, False]
    )


def test_parameters_are_checked_wherever_they_stand(sandbox: Sandbox) -> None:
    triggers = """  triggers:
  - template:
      name: t
      http:
        url: http://example.com
        payload:
        - {src: {dependencyName: a, dataTemplate: '{{ .Input.x | nobody }}'}, dest: x}
        - {src: {dependencyName: b, dataKey: 'x[0]'}, dest: x}
        dynamicHeaders:
        - {src: {dependencyName: c}, dest: x}
"""
    found = linted("", sandbox, triggers=triggers)
    assert [(line, severity) for line, severity, _ in found] == [
        (7, "error"), (8, "warning"), (8, "warning"), (10, "warning"),
    ]  # fmt: skip
    words = ["does not parse", "dependency 'b' is not declared", "write x.0", "'c' is not declared"]
    assert all(word in message for word, (_, _, message) in zip(words, found, strict=True))


class NotInstalled:
    """Scripts on a machine without the libraries."""

    def run(self, program: Program, data: bytes) -> bytes:
        raise MissingExtra("script", "a jq or Lua program")

    def check(self, program: Program) -> None:
        raise MissingExtra("script", "a jq or Lua program")


def test_programs_that_cannot_be_checked_are_named() -> None:
    text = HEAD.format("Sensor") + (
        "  dependencies: [{name: a, eventSourceName: s, eventName: e, transform: {jq: .}}]\n"
        + TRIGGERS
    )
    (problem,), _ = lint([(text, "f.yaml")], scripts=NotInstalled())
    assert problem.severity == "warning"
    assert problem.message.startswith("not checked: a jq or Lua program needs the extra 'script'")
    assert lint([(text, "f.yaml")]) == ([], 1)


def test_programs_are_compiled_and_never_run(sandbox: Sandbox) -> None:
    assert linted("    transform: {script: 'while true do end'}\n", sandbox) == []
    assert linted("    transform: {jq: 'def f: f; f'}\n", sandbox) == []


def test_two_events_that_listen_in_one_place_are_doubted_across_files() -> None:
    one = (
        HEAD.format("EventSource")
        + "  webhook:\n    a: {endpoint: /a, port: '1'}\n    b: {endpoint: /b, port: '1'}\n"
    )
    other = HEAD.format("EventSource").replace("name: x", "name: y") + (
        "  github:\n    c: {webhook: {endpoint: /a, port: '1'}}\n    d: {webhook: {endpoint: /a, port: '2'}}\n"
    )
    (problem,), _ = lint([(one, "one.yaml"), (other, "other.yaml")])
    assert (problem.file, problem.path, problem.severity) == (
        "other.yaml",
        "spec.github.c",
        "warning",
    )
    assert problem.message == "'x/a' listens on port 1 at /a already; only one of them is heard"
