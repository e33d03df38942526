"""The golden traces: the engine under a scripted executor makes the same tree as the real controller."""

import json
import re
from typing import Any

import msgspec
import pytest

from controller.dag import advance, fold
from controller.dag.begin import begin
from controller.dag.model import Change
from controller.dag.status import status
from executor.model import Task
from tests.conformance.trace_player import TRACES, Script, nodes_of, traces

pytestmark = pytest.mark.skipif(
    not TRACES.exists(), reason="no conformance material beside the checkout"
)


# Where the engine means to differ, by trace: the reason belongs to docs/differences.md.
UNRESOLVABLE = "a reference that can never resolve fails the step instead of waiting for ever"
EVERY_ITEM = "the exit hook of a looped task runs for every item, also when several end at once"
DIFFERENCES: dict[str, str] = {
    **dict.fromkeys(("steps-10", "when-25", "dag-40"), UNRESOLVABLE),
    **dict.fromkeys(("exit-12", "exit-21"), EVERY_ITEM),
    "exit-28": "the expression of a step's exit hook sees the step's own outputs, as its arguments do",
    "retry-10": "the position of a syntax error is told in other words",
    "retry-21": "a backoff is waited for although the number of retries is unlimited",
    "stop-04": "a step is started although the workflow's deadline is less than a second away",
    "hook-14": "validation accepts a hook argument from the step's own output; at run time it has a value",
}


# --- comparing --------------------------------------------------------------------------------------------------

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def plain(expected: Any) -> Any:
    """The expectation with our loopback address for daemons, and children in one order."""
    return json.loads(json.dumps(expected).replace("10.0.0.1", "127.0.0.1"))


def task_of(task: Task) -> dict[str, Any]:
    template = task.template
    body = template.get("container") or template.get("script") or _main_of_set(template)
    found = {
        "command": body.get("command"), "args": body.get("args"),
        "source": (template.get("script") or {}).get("source"),
        "captures_result": task.capture_result or None,
        "env": {e["name"]: e["value"] for e in body.get("env") or () if "value" in e} or None,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}


def _main_of_set(template: dict[str, Any]) -> dict[str, Any]:
    containers = (template.get("containerSet") or {}).get("containers") or ()
    return next((c for c in containers if c["name"] == "main"), {})


def wrong(trace: dict[str, Any]) -> list[str]:
    """Everything in which the engine differs from the trace."""
    script = Script(trace)
    script.play()
    expect, found = plain(trace["expect"]), nodes_of(script.run)
    faults = differing("nodes", expect["nodes"], found)
    faults += compare("phase", expect["phase"], script.run.phase)
    faults += compare("message", expect.get("message", ""), script.run.message)
    faults += compare("progress", expect["progress"], status(script.run)["progress"])
    launched = [row["new_pods"] for row in expect["launch_order"] if row.get("new_pods")]
    faults += compare(
        "launches", launched, [row["new_pods"] for row in script.launches if "new_pods" in row]
    )
    refused = [row["error"] for row in expect["launch_order"] if row.get("error")]
    faults += compare(
        "refusals", refused, [row["error"] for row in script.launches if "error" in row]
    )
    for key, state in (
        ("before_retry", script.before_retry),
        ("after_retry_reset", script.after_reset),
    ):
        if expect.get(key) and state is not None:
            faults += differing(
                key, expect[key].get("nodes", {}), state, progress=key == "before_retry"
            )
    if "pods" not in (trace.get("unstable_fields") or ()):
        faults += different_tasks(expect.get("pods") or {}, script)
    if expect.get("global_outputs"):
        left = script.run.outputs
        faults += compare(
            "global outputs", expect["global_outputs"], left.parameters if left else {}
        )
    return faults + different_after_fold(script)


def compare(what: str, expected: Any, found: Any) -> list[str]:
    return [] if expected == found else [f"{what}: expected {expected!r}, found {found!r}"]


def differing(
    what: str, expected: dict[str, Any], found: dict[str, Any], *, progress: bool = True
) -> list[str]:
    """By node and field. Right after a reset Argo still shows the progress of before, which we count anew."""
    faults = [f"{what}: no node {name}" for name in expected if name not in found]
    faults += [f"{what}: unexpected node {name}" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        for key in (expected[name].keys() | found[name].keys()) - (
            set() if progress else {"progress"}
        ):
            mine = found[name].get(key)
            mine = TIME.sub("<time>", mine) if isinstance(mine, str) else mine
            faults += compare(f"{what}: {name}.{key}", expected[name].get(key), mine)
    return faults


def different_tasks(expected: dict[str, Any], script: Script) -> list[str]:
    faults = []
    for name, wanted in expected.items():
        if name not in script.asked:
            faults.append(f"task {name} was not asked for")
            continue
        found = task_of(script.asked[name])
        for key in ("command", "args", "source", "captures_result", "env"):
            want, have = wanted.get(key), found.get(key)
            if key == "args" and wanted.get("source") is not None:
                want = [a for a in want or () if a != "/argo/staging/script"] or None
            if key in ("command", "args") and want in (["image-cmd"], [""]):
                want = None  # what an image's own command is, the engine does not know
            if key == "command" and want and want[0] == "argoexec":
                want = None  # a resource template: the backend knows how
            have = json.loads(TIME.sub("<time>", json.dumps(have)))
            faults += compare(f"task {name}.{key}", want or None, have or None)
    return faults


def different_after_fold(script: Script) -> list[str]:
    """The history alone makes the same run, also after encoding; and nothing is left to do in it."""
    again = begin(script.source)
    encoded = msgspec.msgpack.encode(script.history)
    fold.fold(again, msgspec.msgpack.decode(encoded, type=list[Change]))
    fold.index(again)
    faults = compare("fold", status(script.run), status(again))
    tasks = [sorted(t.id for t in fold.pending_tasks(run)) for run in (script.run, again)]
    faults += compare("pending tasks", *tasks)
    if again.phase == "Running":
        faults += compare("replan", [], advance.replan(again, script.now).changes)
    return faults


@pytest.mark.parametrize("trace_id", list(traces()))
def test_the_engine_makes_the_tree_of_the_real_controller(trace_id: str) -> None:
    faults = wrong(traces()[trace_id])
    if trace_id in DIFFERENCES:
        assert faults, f"{trace_id} no longer differs: take it off the list"
    else:
        assert not faults, "\n".join(faults)
