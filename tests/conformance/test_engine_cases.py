"""The case table of Argo Workflows, where a case asks about one decision of the engine."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.lang.errors import LangError
from controller.dag import (
    advance,
    bodies,
    execute,
    fold,
    loops,
    names,
    outputs,
    progress,
    resources,
    retry_run,
    retry_strategy,
    scope,
    selector,
    substitute,
)  # fmt: skip
from controller.dag.begin import begin
from controller.dag.model import Begin, Node, OperationRefused, Reported, Source, StartTask, Tick
from controller.dag.phase import COMPLETED
from controller.dag.state import Run
from controller.dag.turn import Turn
from executor.model import Report

CASES = (
    Path(__file__).parents[2].parent / "shared" / "conformance" / "cases" / "argo-workflows.json"
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not CASES.exists(), reason="no conformance material beside the checkout"
)

DIFFERENCES = {
    "retry.decide-007": "the environment does not change what counts as transient: the engine is pure",
}


def cases(*ops: str) -> list[Any]:
    if not CASES.exists():
        return []
    found = [c for c in json.loads(CASES.read_text())["cases"] if c["op"] in ops]
    return [pytest.param(c, id=c["id"]) for c in found]


def check(case: dict[str, Any], answer: Callable[[], Any]) -> None:
    """The answer is the expected one, or the expected refusal; for a named difference it is not."""
    right = _is_right(case["expect"], answer)
    assert right != (case["id"] in DIFFERENCES), (
        f"{case['id']}: {right if isinstance(right, str) else case}"
    )


def _is_right(expect: dict[str, Any], answer: Callable[[], Any]) -> bool:
    wants_error = "error" in expect or "error_contains" in expect
    try:
        found = answer()
    except (
        LangError,
        loops.BadLoop,
        OperationRefused,
        outputs.OutputFault,
        retry_strategy.BadStrategy,
    ) as error:
        text = expect.get("error_contains") or expect.get("error")
        return wants_error and (text is True or str(text) in str(error) or text == "invalid JSON")
    return not wants_error and found == expect.get("value", found)


# --- names and texts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("node_id"))
def test_node_id(case: dict[str, Any]) -> None:
    given = case["input"]
    check(case, lambda: names.node_id(given["workflow"], given["node_name"]))


@pytest.mark.parametrize("case", cases("pod_name"))
def test_pod_name(case: dict[str, Any]) -> None:
    given = case["input"]
    check(
        case,
        lambda: names.pod_name(
            given["workflow"], given["node_name"], given.get("template") or "", given["format"]
        ),
    )


@pytest.mark.parametrize("case", cases("loop_child_name"))
def test_loop_child_name(case: dict[str, Any]) -> None:
    given = case["input"]
    check(case, lambda: names.item_name(given["name"], given["index"], given["item"]))


@pytest.mark.parametrize("case", cases("expand_sequence"))
def test_expand_sequence(case: dict[str, Any]) -> None:
    check(case, lambda: list(loops.sequence(case["input"])))


@pytest.mark.parametrize("case", cases("expand_items"))
def test_expand_items(case: dict[str, Any]) -> None:
    given = case["input"]
    step = {
        "name": "s", "template": "t", "withParam": given["items_json"],
        "arguments": {"parameters": [{"name": "p", "value": given["argument"]}]},
        **({"when": given["when"]} if given.get("when") else {}),
    }  # fmt: skip
    case = {**case, "expect": {k: v for k, v in case["expect"].items() if k != "missing_variable"}}
    check(case, lambda: [_round(m) for m in _members(step, given.get("scope") or {})])


def _members(step: dict[str, Any], known: dict[str, Any]) -> list[Any]:
    templates = [{"name": "main", "steps": [[step]]}, {"name": "t", "suspend": {}}]
    run = begin(
        Source(
            uid="u",
            name="wf",
            namespace="d",
            spec={"entrypoint": "main", "templates": templates},
            created=NOW,
        )
    )
    run.variables.update(known)
    node = Node(id="wf", name="wf", type="Steps", phase="Running", template="#main")
    found = bodies.members(scope.Frame(run, node), 0, 0)
    assert not isinstance(found, bodies.Member)
    rounds = list(found)
    for member in rounds:
        if member.error:
            raise LangError(member.error)
    return rounds


def _round(member: bodies.Member) -> dict[str, Any]:
    value = member.body["arguments"]["parameters"][0]["value"]
    return {"name": member.name, "value": value}


@pytest.mark.parametrize("case", cases("aggregate_parameter_values"))
def test_aggregate_parameter_values(case: dict[str, Any]) -> None:
    check(case, lambda: loops.gather_values(case["input"]["values"]))


@pytest.mark.parametrize("case", cases("aggregate_results"))
def test_aggregate_results(case: dict[str, Any]) -> None:
    check(case, lambda: loops.gather_results(case["input"]["results"]))


@pytest.mark.parametrize("case", cases("is_pure_absent_reference"))
def test_is_pure_absent_reference(case: dict[str, Any]) -> None:
    given = case["input"]
    known = {**dict.fromkeys(given["skipped"]), **given["produced"]}
    check(case, lambda: substitute.is_absent(given["text"], known))


@pytest.mark.parametrize("case", cases("value_from_parameter"))
def test_value_from_parameter(case: dict[str, Any]) -> None:
    given = case["input"]
    check(case, lambda: outputs.from_parameter("p", given["parameter"], given["scope"]))


@pytest.mark.parametrize("case", cases("value_from_expression"))
def test_value_from_expression(case: dict[str, Any]) -> None:
    given = case["input"]
    check(case, lambda: outputs.from_expression(given["expression"], given["scope"]))


# --- phases and progress ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("phase_completed"))
def test_phase_completed(case: dict[str, Any]) -> None:
    check(case, lambda: case["input"]["phase"] in COMPLETED)


@pytest.mark.parametrize("case", cases("shutdown_allows_node"))
def test_shutdown_allows_node(case: dict[str, Any]) -> None:
    given = case["input"]
    name = "wf.onExit" if given["is_exit_handler"] else "wf"
    check(case, lambda: execute.allowed(given["strategy"], name))


@pytest.mark.parametrize("case", cases("node_type_counts_for_progress"))
def test_node_type_counts_for_progress(case: dict[str, Any]) -> None:
    check(case, lambda: case["input"]["type"] in progress.COUNTED)


@pytest.mark.parametrize("case", cases("progress_is_valid"))
def test_progress_is_valid(case: dict[str, Any]) -> None:
    given = case["input"]
    check(
        case,
        lambda: (
            progress.parse(given if isinstance(given, str) else next(iter(given.values())))
            is not None
        ),
    )


@pytest.mark.parametrize("case", cases("workflow_progress"))
def test_workflow_progress(case: dict[str, Any]) -> None:
    run = _bare("wf", "Running")
    for node_id, (kind, phase, shown, *children) in case["input"]["nodes"].items():
        run.nodes[node_id] = Node(
            id=node_id, name=node_id, type=kind or "DAG", phase=phase or "Running", progress=shown, template="#d",
            children=children[0] if children else None,
        )  # fmt: skip
    fold.index(run)
    leaves = {
        n.id: progress.text(progress.of_leaf(n))
        for n in run.nodes.values()
        if n.type in progress.COUNTED
    }
    groups = {n.id: progress.of_group(run, n) for n in run.nodes.values() if n.type == "DAG"}
    assert {**leaves, **groups, "workflow": progress.of_run(run)} == case["expect"]["value"]


def _bare(name: str, phase: Any) -> Run:
    spec = {"entrypoint": "d", "templates": [{"name": "d", "dag": {"tasks": []}}]}
    run = begin(Source(uid="u", name=name, namespace="d", spec=spec, created=NOW))
    run.phase = phase
    return run


# --- retries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("retry_decide"))
def test_retry_decide(case: dict[str, Any]) -> None:
    found = decided(case["input"])
    expect = case["expect"]
    right = found[0] == expect["retry_node_phase"] and expect.get("message", found[1]) == found[1]
    assert right != (case["id"] in DIFFERENCES), found


def decided(given: dict[str, Any]) -> tuple[str, str]:
    """Phase and message of the Retry node after these attempts."""
    attempts = [a if isinstance(a, dict) else {"phase": a} for a in given["attempts"]]
    last = Node(
        id="a",
        name="a",
        type="Pod",
        phase=attempts[-1]["phase"],
        message=attempts[-1].get("message", ""),
        finished=NOW,
    )
    if last.phase not in ("Failed", "Error"):
        return ("Succeeded" if last.phase == "Succeeded" else "Running"), ""
    if given.get("shutdown"):
        return stopped_between_attempts(given["strategy"], last.phase, given["shutdown"])
    facts = retry_strategy.Attempts(count=len(attempts), first_started=NOW, last=last)
    try:
        verdict = retry_strategy.decide(given["strategy"], facts, {}, NOW)
    except retry_strategy.BadStrategy as error:
        return f"error: {error}", ""
    return (
        (verdict.phase, verdict.message)
        if isinstance(verdict, retry_strategy.Give)
        else ("Running", "")
    )


def stopped_between_attempts(
    strategy: dict[str, Any], phase: str, shutdown: str
) -> tuple[str, str]:
    spec = {
        "entrypoint": "t",
        "templates": [{"name": "t", "container": {"image": "x"}, "retryStrategy": strategy}],
    }
    run = begin(Source(uid="u", name="wf", namespace="d", spec=spec, created=NOW))
    done = advance.advance(run, [Begin()], NOW)
    task = next(e.task for e in done.effects if isinstance(e, StartTask))
    run.shutdown = shutdown
    state: Any = {"Failed": "failed", "Error": "error"}[phase]
    advance.advance(run, [Reported(Report(task=task.id, state=state, at=NOW))], NOW)
    return run.get("wf").phase, run.get("wf").message


@pytest.mark.parametrize("case", cases("backoff_seconds"))
def test_backoff_seconds(case: dict[str, Any]) -> None:
    given, wanted = case["input"], case["expect"]["value"]
    wait = retry_strategy.backoff_wait(given["strategy"]["backoff"], given["failed_attempts"])
    if isinstance(wanted, str):
        assert wait > timedelta(days=365), wanted
    else:
        assert wait == timedelta(seconds=wanted)


@pytest.mark.parametrize("case", cases("backoff_message"))
def test_backoff_message(case: dict[str, Any]) -> None:
    given, expect = case["input"], case["expect"]
    strategy = {"limit": 9, "backoff": given["backoff"]}
    spec = {
        "entrypoint": "t",
        "templates": [{"name": "t", "container": {"image": "x"}, "retryStrategy": strategy}],
    }
    run = begin(Source(uid="u", name="wf", namespace="d", spec=spec, created=NOW))
    now, done = NOW, advance.advance(run, [Begin()], NOW)
    for _ in range(given["failed_attempts"]):
        now += timedelta(minutes=1)
        started = [e.task for e in done.effects if isinstance(e, StartTask)]
        started = started or [
            e.task for e in advance.advance(run, [Tick()], now).effects if isinstance(e, StartTask)
        ]
        done = advance.advance(
            run, [Reported(Report(task=started[0].id, state="failed", at=now))], now
        )
    now += timedelta(seconds=given["seconds_since_last_finish"])
    done = advance.advance(run, [Tick()], now)
    started_next = any(isinstance(e, StartTask) for e in done.effects)
    right = (run.get("wf").message, started_next) == (expect["message"], expect["start_next"])
    assert right != (case["id"] in DIFFERENCES), (run.get("wf").message, started_next)


@pytest.mark.parametrize("case", cases("retry_local_scope"))
def test_retry_local_scope(case: dict[str, Any]) -> None:
    attempts = case["input"]["attempts"]
    last = attempts[-1]
    node = Node(
        id="a", name="a", type="Pod", phase=last["phase"], message=last["message"], exit_code=last["exitCode"],
        started=NOW, finished=NOW + timedelta(seconds=last["seconds"]),
    )  # fmt: skip
    assert scope.last_retry(len(attempts) - 1, node) == case["expect"]["value"]


# --- manual retry and selectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [c for c in cases("formulate_retry") if "nodes" in c.values[0]["input"]]
)
def test_formulate_retry(case: dict[str, Any]) -> None:
    given, expect = case["input"], case["expect"]
    run = _bare(given["workflow"], given["workflow_phase"])
    for node_id, shown in given["nodes"].items():
        run.nodes[node_id] = Node(
            id=node_id, name=node_id, type=shown["type"], phase=shown["phase"], boundary=shown["boundaryID"],
            owner=shown["boundaryID"], children=list(shown["children"]), template="#d",
        )  # fmt: skip
    turn = Turn(run, NOW, advance.RULES)

    def reset() -> None:
        retry_run.reset(
            turn, restart_successful=given["restart_successful"], selector_text=given["node_field_selector"],
            parameters={},
        )  # fmt: skip

    if expect.get("error"):
        with pytest.raises(OperationRefused):
            reset()
        return
    reset()
    _compare_reset(run, set(given["nodes"]), expect)


def _compare_reset(run: Run, before: set[str], expect: dict[str, Any]) -> None:
    assert {n: run.nodes[n].phase for n in expect.get("phases", {})} == expect.get("phases", {})
    if "removed" in expect:
        assert before - set(run.nodes) == set(expect["removed"])
    if "remaining" in expect:
        assert sorted(run.nodes) == sorted(expect["remaining"])
    if "remaining_count" in expect:
        assert len(run.nodes) == expect["remaining_count"]


@pytest.mark.parametrize("case", cases("node_field_selector"))
def test_node_field_selector(case: dict[str, Any]) -> None:
    given = case["input"]["node"]
    ref = given["templateRef"]
    inputs: Sequence[str] = list(given["inputs"])
    template = {
        "name": ref["template"],
        "suspend": {},
        "inputs": {"parameters": [{"name": i} for i in inputs]},
    }
    stored = {f"namespaced/{ref['name']}": {"templates": [template]}}
    run = begin(Source(uid="u", name="wf", namespace="d", spec={}, created=NOW, templates=stored))
    key = f">namespaced/{ref['name']}/{ref['template']}"
    node = Node(
        id=given["id"], name=given["name"], type="Pod", phase=given["phase"], template=key,
        inputs=tuple(given["inputs"].values()),
    )  # fmt: skip
    check(case, lambda: selector.matcher(run, case["input"]["selector"])(node))


@pytest.mark.parametrize("case", cases("resources_duration"))
def test_resources_duration(case: dict[str, Any]) -> None:
    given = case["input"]
    containers = [(container, container["seconds"]) for container in given["containers"]]
    check(case, lambda: resources.duration(containers, given.get("pod_requests") or {}))
