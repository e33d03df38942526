"""How a workflow is drawn."""

from datetime import UTC, datetime
from typing import Any

import click

from server.cli import output, tree

NOW = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


def node(name: str, kind: str = "Pod", phase: str = "Succeeded", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "displayName": name.rsplit(".", 1)[-1],
        "type": kind,
        "phase": phase,
        "templateName": "t",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:05Z",
        **more,
    }


def workflow(*nodes: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "wf", "namespace": "default"},
        "spec": spec,
        "status": {"phase": "Succeeded", "nodes": {n["id"]: n for n in nodes}},
    }


def drawn(found: dict[str, Any], **style: Any) -> list[str]:
    return [click.unstyle(line) for line in tree.steps(found, tree.Style(now=NOW, **style))]


def test_a_dag_hangs_its_tasks_below_it_in_the_order_they_started() -> None:
    found = workflow(
        node("wf", "DAG", children=["wf.a"]),
        node(
            "wf.b", boundaryID="wf", startedAt="2026-01-01T00:00:09Z", phase="Failed", message="x"
        ),
        node("wf.a", boundaryID="wf", children=["wf.b"]),
    )
    lines = drawn(found)
    assert [line.split("  ")[0] for line in lines] == ["STEP", "✔ wf", "├─✔ a", "└─✖ b"]
    assert lines[3].endswith("x")


def test_attempts_and_items_hang_below_their_group_once() -> None:
    found = workflow(
        node("wf", "Steps", children=["wf[0]"]),
        node("wf[0]", "StepGroup", boundaryID="wf", children=["wf[0].r"]),
        node("wf[0].r", "Retry", boundaryID="wf", children=["wf[0].r(0)", "wf[0].r(1)"]),
        node("wf[0].r(0)", boundaryID="wf", phase="Failed"),
        node("wf[0].r(1)", boundaryID="wf"),
    )
    names = [" ".join(line.strip(" ├└─│").split()[:2]) for line in drawn(found)[1:]]
    assert names == ["✔ wf", "✔ r", "✖ r(0)", "✔ r(1)"]


def test_the_exit_handler_comes_last_behind_an_empty_line() -> None:
    found = workflow(node("wf"), node("wf.onExit"))
    assert [line.split("  ")[0] for line in drawn(found)[1:]] == ["✔ wf", "", "✔ onExit"]


def test_ascii_only_when_asked_for() -> None:
    found = workflow(node("wf", "DAG"), node("wf.a", boundaryID="wf"))
    assert all(line.isascii() for line in drawn(found, plain=True))


def test_a_suspended_and_a_terminated_workflow_say_so() -> None:
    found = workflow(node("wf", "Suspend", phase="Running"))
    found["status"]["phase"] = "Running"
    assert tree.status_of(found) == "Running (Suspended)"
    stopped = workflow(shutdown="Stop")
    stopped["status"]["phase"] = "Failed"
    assert tree.status_of(stopped) == "Failed (Terminated)"


def test_spans_are_short_or_long() -> None:
    assert [output.span(s) for s in (5, 200, 7200, 400000)] == ["5s", "3m", "2h", "4d"]
    assert output.long_span(3905) == "1 hour 5 minutes"
    assert output.long_span(0) == "0 seconds"
