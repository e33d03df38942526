"""Properties of the engine over random workflows: it ends, it keeps order and limits, its index tells the truth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.dag import fold
from controller.dag.advance import advance, replan
from controller.dag.begin import begin
from controller.dag.model import (
    Begin,
    Change,
    Operation,
    Reported,
    Source,
    StartTask,
    StopTask,
    Tick,
)
from controller.dag.state import Run
from controller.dag.status import status
from executor.model import Outputs, Report

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEAF = {"name": "leaf", "container": {"image": "x", "command": ["true"], "args": ["{{node.name}}"]}}
RETRIED = {**LEAF, "name": "retried", "retryStrategy": {"limit": 1}}
WAITING = {**LEAF, "name": "waiting", "retryStrategy": {"limit": 1, "backoff": {"duration": "5s"}}}
LEAVES = ["leaf", "retried", "waiting"]


@st.composite
def holders(draw: st.DrawFn, name: str, templates: list[str]) -> dict[str, Any]:
    """A step or task: a template, perhaps looped, conditional, tolerant or hooked."""
    found: dict[str, Any] = {"name": name, "template": draw(st.sampled_from(templates))}
    extras = {
        "withItems": draw(st.sampled_from([None, None, [], ["a"], ["a", "b", "c"]])),
        "when": draw(st.sampled_from([None, None, None, "true", "1 == 2"])),
        "continueOn": draw(st.sampled_from([None, {"failed": True}])),
        "hooks": draw(st.sampled_from([None, None, {"exit": {"template": "leaf"}}])),
    }
    return {**found, **{k: v for k, v in extras.items() if v is not None}}


@st.composite
def steps_templates(draw: st.DrawFn, name: str, templates: list[str]) -> dict[str, Any]:
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    groups = [[draw(holders(f"s{g}{i}", templates)) for i in range(n)] for g, n in enumerate(sizes)]
    return {"name": name, "steps": groups, **draw(limits())}


@st.composite
def dag_templates(draw: st.DrawFn, name: str, templates: list[str]) -> dict[str, Any]:
    tasks = []
    for i in range(draw(st.integers(1, 6))):
        task = draw(holders(f"t{i}", templates))
        needs = sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else []
        if needs:
            word = draw(st.sampled_from(["", "", ".Succeeded", ".Failed"]))
            task |= {"depends": " && ".join(f"t{j}{word}" for j in needs)}
        tasks.append(task)
    return {"name": name, "dag": {"tasks": tasks}, **draw(limits())}


def limits() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([{}, {}, {"parallelism": 1}, {"parallelism": 2}, {"failFast": True}])


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    inner = draw(st.one_of(steps_templates("inner", LEAVES), dag_templates("inner", LEAVES)))
    main = draw(
        st.one_of(
            steps_templates("main", [*LEAVES, "inner"]), dag_templates("main", [*LEAVES, "inner"])
        )
    )
    spec: dict[str, Any] = {
        "entrypoint": "main",
        "templates": [main, inner, LEAF, RETRIED, WAITING],
    }
    if draw(st.booleans()):
        spec["parallelism"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        spec["onExit"] = "leaf"
    return spec


def source(spec: dict[str, Any]) -> Source:
    return Source(uid="u", name="wf", namespace="d", spec=spec, created=NOW)


def rebuilt(spec: dict[str, Any], history: list[Change]) -> Run:
    """The run made from its history alone, through the bytes it is stored as."""
    run = begin(source(spec))
    fold.fold(run, msgspec.msgpack.decode(msgspec.msgpack.encode(history), type=list[Change]))
    fold.index(run)
    return run


def assert_same(run: Run, again: Run, now: datetime) -> None:
    """The incremental run and the rebuilt one agree, and a full look finds nothing that was overlooked."""
    assert status(again) == status(run)
    assert sorted(t.id for t in fold.pending_tasks(again)) == sorted(
        t.id for t in fold.pending_tasks(run)
    )
    assert {k: v for k, v in again.index.active.items() if v} == {
        k: v for k, v in run.index.active.items() if v
    }
    if run.phase == "Running":
        done = replan(again, now)
        assert not done.changes, done.changes
        assert not [e for e in done.effects if isinstance(e, StartTask)]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=specs(), data=st.data())
def test_a_run_ends_and_its_index_equals_a_full_replan_after_every_advance(
    spec: dict[str, Any], data: st.DataObject
) -> None:
    run, now, history = begin(source(spec)), NOW, []
    done = advance(run, [Begin()], now)
    out: dict[str, Any] = {}
    started: set[str] = set()
    for _ in range(400):
        history += done.changes
        for effect in done.effects:
            if isinstance(effect, StartTask):
                assert effect.task.id not in started, "a task is started once"
                started.add(effect.task.id)
                out[effect.task.id] = effect.task
            elif isinstance(effect, StopTask):
                out.pop(effect.id, None)
        assert_same(run, rebuilt(spec, history), now)
        assert len([t for t in out.values() if not t.on_exit]) <= spec.get(
            "parallelism", 1000
        ) + hooked(out)
        if run.phase != "Running":
            break
        now += timedelta(seconds=3)
        if run.suspended or data.draw(st.integers(0, 9)) == 0:
            pause = (
                "resume" if run.suspended and (not out or data.draw(st.booleans())) else "suspend"
            )
            done = advance(run, [Operation(kind=pause)], now)
            if pause == "resume" or not out:
                continue
            history += done.changes
        if not out:
            done = advance(run, [Tick()], now)
            continue
        chosen = data.draw(
            st.lists(st.sampled_from(sorted(out)), min_size=1, max_size=3, unique=True)
        )
        reports = []
        for task_id in chosen:
            state: Any = data.draw(st.sampled_from(["succeeded", "succeeded", "failed", "started"]))
            code = "1" if state == "failed" else "0"
            left = None if state == "started" else Outputs(exit_code=code)
            reports.append(Reported(Report(task=task_id, state=state, at=now, outputs=left)))
            if state != "started":
                out.pop(task_id)
        done = advance(run, reports, now)
    assert run.phase in ("Succeeded", "Failed", "Error"), status(run)


def hooked(out: dict[str, Any]) -> int:
    """Hooks do not queue for a place."""
    return sum(1 for task in out.values() if ".onExit" in task.node_name)
