"""The evaluator: one event, one sensor, and what must hold for any row of events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events.model import Event
from sensors import compile
from sensors.evaluate import step
from sensors.model import Decision, Fire, SensorState, Step

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sensor(conditions: str, names: str = "a b c", **trigger: Any) -> dict[str, Any]:
    """A sensor whose dependencies listen to the events of their own names and want `ok` to be true."""
    wants = {"data": [{"path": "ok", "type": "bool", "value": ["true"]}]}
    return {
        "metadata": {"name": "s", "uid": "u"},
        "spec": {
            "dependencies": [
                {"name": name, "eventSourceName": "src", "eventName": name, "filters": wants}
                for name in names.split()
            ],
            "triggers": [
                {"template": {"name": "t", "conditions": conditions, "log": {}}, **trigger}
            ],
        },
    }


def event(seq: int, subject: str, ok: bool = True) -> Event:
    return Event(
        id=f"e{seq}", namespace="default", source="src", subject=subject, type="webhook",
        time=NOW, data=json.dumps({"ok": ok}).encode(), seq=seq,
    )  # fmt: skip


def run(raw: dict[str, Any], events: list[Event], state: SensorState | None = None) -> list[Step]:
    compiled, state, steps = compile.sensor(raw), state or SensorState(), []
    for each in events:
        steps.append(step(compiled, state, each, NOW + timedelta(seconds=each.seq)))
        state = steps[-1].state
    return steps


def decisions(steps: list[Step]) -> list[Decision]:
    return [decision for each in steps for decision in each.decisions]


def fires(steps: list[Step]) -> list[Fire]:
    return [fire for each in steps for fire in each.fires]


def test_a_decision_names_the_line_the_path_and_the_values_seen() -> None:
    raw = sensor("a")
    compiled = compile.sensor(raw, {"spec.dependencies[0].filters.data[0]": 12}.get)  # type: ignore[arg-type]
    [decision] = step(compiled, SensorState(), event(1, "a", ok=False), NOW).decisions
    assert (decision.outcome, decision.dependency, decision.line) == ("filtered", "a", 12)
    assert decision.path == "spec.dependencies[0].filters.data[0]"
    assert decision.reason == "ok is false, wanted bool = true"
    assert json.loads(decision.detail)["checks"][0]["saw"] == "false"


def test_a_filter_that_cannot_be_evaluated_is_an_error_and_not_a_mismatch() -> None:
    lost = Event(
        id="x", namespace="default", source="src", subject="a", type="webhook", time=NOW,
        data=b"{}", seq=1,
    )  # fmt: skip
    [decision] = decisions(run(sensor("a"), [lost]))
    assert decision.outcome == "error"
    assert decision.reason == "data filter error (path 'ok' does not exist)"


def test_a_condition_that_cannot_be_compiled_says_so_for_every_event() -> None:
    [decision] = decisions(run(sensor("a && nobody"), [event(1, "a")]))
    assert decision.outcome == "error"
    assert "nobody" in decision.reason
    assert decision.path == "spec.triggers[0].template.conditions"


def test_an_event_that_is_replaced_while_it_waits_is_told_so() -> None:
    found = decisions(run(sensor("a && b"), [event(1, "a"), event(2, "a"), event(3, "b")]))
    told = [(decision.seq, decision.outcome) for decision in found]
    assert told == [(1, "waiting"), (1, "superseded"), (2, "waiting"), (2, "fired"), (3, "fired")]
    assert json.loads(found[-1].detail)["events"] == {"a": "e2", "b": "e3"}


def test_an_event_at_or_before_the_position_changes_nothing() -> None:
    first, again = run(sensor("a"), [event(1, "a"), event(1, "a")])
    assert [decision.outcome for decision in again.decisions] == ["deduplicated"]
    assert again.state == first.state
    assert not again.fires


def test_an_edited_condition_drops_what_was_gathered_in_the_open() -> None:
    [before] = run(sensor("a && b"), [event(1, "a")])
    found = decisions(run(sensor("b && a"), [event(2, "b")], before.state))
    assert [(d.seq, d.outcome) for d in found] == [(1, "superseded"), (2, "waiting")]
    assert "condition was changed" in found[0].reason


def test_a_rate_limit_spaces_firings_and_saves_ten_slots() -> None:
    raw = sensor("a", rateLimit={"unit": "Minute", "requestsPerUnit": 1})
    steps = run(raw, [event(n, "a") for n in (1, 2, 3)])
    outcomes = [decision.outcome for decision in decisions(steps)]
    assert outcomes == ["fired", "throttled", "throttled"]
    waits = [fire.not_before - (NOW.timestamp() + 1) for fire in fires(steps)]
    assert waits == [0, 60, 120]
    burst = [event(10_000 + n, "a") for n in range(12)]
    late = [decision.outcome for decision in decisions(run(raw, burst, steps[-1].state))]
    assert late == ["fired"] * 11 + ["throttled"]


CONDITIONS = st.sampled_from(
    ["a", "a || b", "a && b", "a && b && c", "(a && b) || c", "a || b && c", ""]
)
EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30)


@given(CONDITIONS, EVENTS, st.lists(st.integers(1, 5)))
@settings(max_examples=60, deadline=None)
def test_batching_and_redelivery_change_no_decision(
    conditions: str, rows: list[tuple[str, bool]], cuts: list[int]
) -> None:
    raw = sensor(conditions)
    events = [event(n, subject, ok) for n, (subject, ok) in enumerate(rows, 1)]
    whole = run(raw, events)
    pieces: list[Step] = []
    rest, state = events, SensorState()
    for cut in [*cuts, len(events)]:
        batch, rest = rest[:cut], rest[cut:]
        done = run(raw, [*events[: state.position], *batch], state)
        pieces += [each for each in done if not repeated(each)]
        state = pieces[-1].state if pieces else state
    assert decisions(pieces) == decisions(whole)
    assert [fire.id for fire in fires(pieces)] == [fire.id for fire in fires(whole)]


def repeated(done: Step) -> bool:
    return [decision.outcome for decision in done.decisions] == ["deduplicated"]


@given(CONDITIONS, EVENTS)
@settings(max_examples=60, deadline=None)
def test_each_set_of_events_fires_once_and_no_event_is_lost(
    conditions: str, rows: list[tuple[str, bool]]
) -> None:
    events = [event(n, subject, ok) for n, (subject, ok) in enumerate(rows, 1)]
    raw = sensor(conditions)
    steps = run(raw, events)
    ids = [fire.id for fire in fires(steps)]
    assert len(ids) == len(set(ids))
    wanted = compile.sensor(raw).triggers["t"].names
    last: dict[int, str] = {}
    for decision in decisions(steps):
        last[decision.seq] = decision.outcome
    stored = {
        kept.event.seq for kept in (steps[-1].state.triggers.get("t") or NOTHING).stored.values()
    } if steps else set()  # fmt: skip
    for each, (subject, ok) in zip(events, rows, strict=True):
        if subject not in wanted:
            assert each.seq not in last
        elif not ok:
            assert last[each.seq] == "filtered"
        else:
            assert last[each.seq] in ("fired", "superseded", "waiting")
            assert (last[each.seq] == "waiting") == (each.seq in stored)


class NOTHING:
    stored: dict[str, Any] = {}  # noqa: RUF012 - never written


def test_an_event_of_several_dependencies_comes_to_a_trigger_as_its_condition_names_them() -> None:
    raw = sensor("(b && c) || a")
    for dependency in raw["spec"]["dependencies"][:2]:
        dependency["eventName"] = "both"
    last = run(raw, [event(1, "c"), event(2, "both")])[-1]
    fired = [{name: each.id for name, each in fire.events.items()} for fire in last.fires]
    assert fired == [{"c": "e1", "b": "e2"}, {"a": "e2"}]


def test_one_more_dependency_leaves_alone_what_waits_for_all_of_them() -> None:
    waiting = run(sensor("", names="a b"), [event(1, "a")])[-1].state
    steps = run(sensor("", names="a b c"), [event(2, "b"), event(3, "c")], waiting)
    assert [sorted(fire.events) for fire in fires(steps)] == [["a", "b", "c"]]


def test_a_condition_taken_out_drops_what_waited_for_it() -> None:
    waiting = run(sensor("a && b", names="a b"), [event(1, "a")])[-1].state
    steps = run(sensor("", names="a b"), [event(2, "b")], waiting)
    assert [decision.outcome for decision in decisions(steps)] == ["superseded", "waiting"]


def test_a_trigger_taken_out_forgets_what_waited_before_it_is_put_back() -> None:
    both = sensor("a && b")
    other = {"template": {"name": "other", "conditions": "a && c", "log": {}}}
    without = {**both, "spec": {**both["spec"], "triggers": [other]}}
    waiting = run(both, [event(1, "a")])[-1].state
    [between] = run(without, [event(2, "c")], waiting)
    assert [(d.trigger, d.outcome) for d in between.decisions] == [
        ("t", "superseded"),
        ("other", "waiting"),
    ]
    assert not fires(run(both, [event(3, "b")], between.state))


def test_an_edited_condition_drops_what_waited_however_it_spells_the_dependency() -> None:
    waiting = run(sensor("a_1 && c", names="a-1 c"), [event(1, "a-1")])[-1].state
    steps = run(sensor("c && a_1", names="a-1 c"), [event(2, "c")], waiting)
    assert [decision.outcome for decision in decisions(steps)] == ["superseded", "waiting"]
