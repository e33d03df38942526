"""Programs in sensors: transform comes first, its result is what filters and triggers see; errors stay errors."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.lang import gojson
from bireme.lang.script import Program, ScriptError
from bireme.sandbox.limits import Limits
from bireme.sandbox.process import SandboxUnavailable
from bireme.sandbox.run import Sandbox
from events.model import Event
from sensors import compile
from sensors.ahead import Ahead
from sensors.evaluate import step
from sensors.model import Decision, SensorState, Step
from sensors.view import View

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(Limits(cpu_s=0.1, debt_s=1000))
    yield made
    made.close()


def event(data: str, subject: str = "a") -> Event:
    return Event(
        id=f"e-{subject}", namespace="default", source="src", subject=subject, type="webhook",
        time=NOW, data=data.encode(), seq=1,
    )  # fmt: skip


def run(sandbox: Sandbox, data: str, line: Any = None, **dependency: Any) -> Step:
    raw = {
        "metadata": {"name": "s", "uid": "u"},
        "spec": {
            "dependencies": [
                {"name": "a", "eventSourceName": "src", "eventName": "a", **dependency},
                {"name": "plain", "eventSourceName": "src", "eventName": "a"},
            ],
            "triggers": [
                {"template": {"name": "t", "conditions": "a", "log": {}}},
                {"template": {"name": "u", "conditions": "plain", "log": {}}},
            ],
        },
    }
    compiled = compile.sensor(raw, line or (lambda path: 0))
    happened = event(data)
    return step(compiled, SensorState(), happened, NOW, View(happened, sandbox))


def first(made: Step) -> Decision:
    return next(decision for decision in made.decisions if decision.dependency == "a")


def seen(made: Step, name: str = "t") -> Any:
    [fire] = [fire for fire in made.fires if fire.rule.name == name]
    [given] = fire.events.values()
    return given.data.decode()


def test_filters_and_triggers_see_what_the_transform_made(sandbox: Sandbox) -> None:
    wants = {"data": [{"path": "n", "type": "number", "value": ["3"]}]}
    made = run(sandbox, '{"l":[1,2]}', transform={"jq": "{n: (.l | add)}"}, filters=wants)
    assert first(made).outcome == "fired"
    assert seen(made) == '{"n":3}'


def test_another_dependency_on_the_same_event_sees_it_unchanged(sandbox: Sandbox) -> None:
    made = run(sandbox, '{"l": [1,2]}', transform={"script": "return {x=1}"})
    assert seen(made) == '{"x":1}'
    assert seen(made, "u") == '{"l": [1,2]}'


def test_a_joined_event_waits_as_it_was_transformed(sandbox: Sandbox) -> None:
    raw = {
        "metadata": {"name": "s", "uid": "u"},
        "spec": {
            "dependencies": [
                {"name": "a", "eventSourceName": "src", "eventName": "a", "transform": {"jq": "{x: .n}"}},
                {"name": "b", "eventSourceName": "src", "eventName": "b"},
            ],
            "triggers": [{"template": {"name": "t", "log": {}}}],
        },
    }  # fmt: skip
    compiled, happened = compile.sensor(raw), event('{"n": 1}')
    made = step(compiled, SensorState(), happened, NOW, View(happened, sandbox))
    [stored] = made.state.triggers["t"].stored.values()
    assert (stored.event.data, stored.event.id) == (b'{"x":1}', "e-a")


def test_context_stays_and_numbers_are_floats_and_keys_sorted(sandbox: Sandbox) -> None:
    made = run(sandbox, '{"b":12345678901234567890,"a":1.50,"c":"<&>"}', transform={"jq": "."})
    assert seen(made) == '{"a":1.5,"b":12345678901234567000,"c":"\\u003c\\u0026\\u003e"}'
    assert made.fires[0].events["a"].content_type == "application/json"


def test_jq_wins_over_script(sandbox: Sandbox) -> None:
    made = run(sandbox, "{}", transform={"jq": "{by:1}", "script": "return {by=2}"})
    assert seen(made) == '{"by":1}'


FAILURES: dict[str, tuple[dict[str, str], str, str]] = {
    "a scalar": ({"jq": ".n"}, "{}", "jq transformation output must be a JSON object"),
    "a list": ({"jq": "[.n]"}, "{}", "jq transformation output must be a JSON object"),
    "nothing": ({"jq": "empty"}, "{}", "no output available from the jq command execution"),
    "its own error": ({"jq": 'error("no day")'}, "{}", "no day"),
    "no jq": ({"jq": "{"}, "{}", "syntax error"),
    "no table": ({"script": "return 1"}, "{}", "output type is not of lua table"),
    "no Lua": ({"script": "return ("}, "{}", "script:1: unexpected symbol"),
    "not an object": ({"jq": "."}, "[1]", "json: cannot unmarshal array"),
    "a number": ({"script": "return {}"}, "1", "json: cannot unmarshal number"),
    "no JSON": ({"jq": "."}, "x=1", "event data not valid JSON"),
    "a loop": ({"jq": "def f: f; f"}, "{}", "ran longer than 0.1 s"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_transform_that_fails_is_an_error_of_its_dependency_alone(
    name: str, sandbox: Sandbox
) -> None:
    transform, data, words = FAILURES[name]
    made = run(sandbox, data, transform=transform)
    decision = first(made)
    assert (decision.outcome, decision.trigger) == ("error", "")
    assert words in decision.reason
    assert decision.path == f"spec.dependencies[0].transform.{next(iter(transform))}"
    assert [fire.rule.name for fire in made.fires] == ["u"]


def test_an_error_names_the_line_of_the_program(sandbox: Sandbox) -> None:
    lines = {"spec.dependencies[0].transform.jq": 9, "spec.dependencies[0].filters.script": 12}
    made = run(sandbox, "{}", lines.get, transform={"jq": "1"})
    assert first(made).line == 9
    made = run(sandbox, "{}", lines.get, filters={"script": "\nreturn event.x.y"})
    decision = first(made)
    assert (decision.line, decision.outcome) == (12, "error")
    assert decision.reason.startswith("script:2: attempt to index field 'x'")


def test_an_unknown_shape_of_transform_is_an_error(sandbox: Sandbox) -> None:
    decision = first(run(sandbox, "{}", transform={"jq": 7}))
    assert decision.outcome == "error"
    assert "Expected `str`, got `int`" in decision.reason


def test_a_script_passes_events_for_which_it_returns_true(sandbox: Sandbox) -> None:
    script = {"script": "return event.size > 10"}
    assert first(run(sandbox, '{"size":11}', filters=script)).outcome == "fired"
    refused = first(run(sandbox, '{"size":1}', filters=script))
    assert (refused.outcome, refused.path) == ("filtered", "spec.dependencies[0].filters.script")
    assert refused.reason == "the script did not return true"


def test_scripts_come_last_and_their_errors_surface_behind_a_refusal(sandbox: Sandbox) -> None:
    both = {"context": {"type": "x"}, "script": "error('late')"}
    decision = first(run(sandbox, "{}", filters=both))
    assert (decision.outcome, decision.reason) == ("error", "script:1: late")


def test_an_event_without_data_passes_a_script_unasked(sandbox: Sandbox) -> None:
    assert first(run(sandbox, "", filters={"script": "return false"})).outcome == "fired"


def test_an_event_without_data_passes_a_transform_unchanged(sandbox: Sandbox) -> None:
    assert first(run(sandbox, "", transform={"jq": "error"})).outcome == "fired"


def test_an_empty_script_is_none(sandbox: Sandbox) -> None:
    assert first(run(sandbox, "{}", filters={"script": ""})).outcome == "fired"
    refused = run(sandbox, "{}", filters={"script": ""}, filtersLogicalOperator="or")
    assert first(refused).outcome == "filtered"


class Counted:
    """Scripts that count how often they were asked."""

    def __init__(self) -> None:
        self.asked = 0

    def run(self, program: Program, data: bytes) -> bytes:
        self.asked += 1
        if "fail" in program.text:
            raise ScriptError("failed")
        return b'{"x":1}'

    def check(self, program: Program) -> None: ...


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1e-4, 9.9e-5, 1e-6, 1e-7, 2.0**53, 2.0**53 - 1, 1e15, 1e16, 1e21, 1e20, 1715013394123]
)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), DOCUMENTS, max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_a_transform_makes_is_written_as_go_writes_it(document: Any) -> None:
    answer = json.dumps(document, ensure_ascii=False).encode(errors="replace")
    view = View(event("{}"), Answering(answer))
    made = compile.transform({"transform": {"jq": "."}})(view).event.data.decode()
    assert made == gojson.dumps(json.loads(answer, parse_int=float))


def test_sensors_with_the_same_program_cost_one_run_an_event() -> None:
    counted = Counted()
    view = View(event("{}"), counted)
    good, bad = Program("jq.first", "same"), Program("jq.first", "fail")
    for _ in range(100):
        assert view.run(good) == b'{"x":1}'
        with pytest.raises(ScriptError):
            view.run(bad)
    assert view.changed(good, bytes.upper) is view.changed(good, bytes.upper)
    assert counted.asked == 2


class Answering(Counted):
    """Scripts that give one answer."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer

    def run(self, program: Program, data: bytes) -> bytes:
        return self.answer


class OutOfOrder(Counted):
    """Scripts where nothing can be run just now."""

    def run(self, program: Program, data: bytes) -> bytes:
        raise SandboxUnavailable("the sandbox does not start")


def test_where_nothing_can_be_run_only_dependencies_with_programs_are_errors() -> None:
    broken: Any = OutOfOrder()
    for fields in ({"transform": {"jq": "."}}, {"filters": {"script": "return true"}}):
        made = run(broken, "{}", **fields)
        assert first(made).outcome == "error"
        assert "the sandbox does not start" in first(made).reason
        assert [fire.rule.name for fire in made.fires] == ["u"]


def test_an_overrunning_script_stalls_others_no_more_than_three_times(sandbox: Sandbox) -> None:
    loop = {"script": "local n = 0 while true do n = n + 1 end"}
    reasons = [first(run(sandbox, "{}", filters=loop)).reason for _ in range(5)]
    assert ["ran longer" in reason for reason in reasons] == [True, True, True, False, False]
    assert all("left alone for" in reason for reason in reasons[3:])


async def test_the_bank_runs_programs_where_it_is_given_a_sandbox(
    deck: Any, sandbox: Sandbox, make_sensor: Any, submit: Any
) -> None:
    deck.bank.programs = Ahead(sandbox)
    raw = make_sensor(submit())
    raw["spec"]["dependencies"][0]["transform"] = {"jq": "{body: {n: (.body.n + 1)}}"}
    deck.bank.add(raw)
    await deck.bank.catch_up()
    await deck.publish(event('{"body":{"n":6}}'))
    [(manifest,)] = await deck.rows("SELECT manifest FROM runs")
    assert json.loads(manifest)["spec"]["arguments"]["parameters"][0]["value"] == "7"
