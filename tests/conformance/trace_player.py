"""Plays a golden trace against the engine: the executor, the clock and the operator of its script."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bireme.manifests import decode, validate, yaml
from controller import merge
from controller import templates as stored
from controller.dag import advance, retry_run
from controller.dag.begin import begin
from controller.dag.model import (
    Acquire,
    Begin,
    Change,
    Effect,
    Finished,
    Input,
    Lock,
    Locked,
    Memo,
    Memorize,
    Operation,
    OperationRefused,
    Recall,
    Recalled,
    Release,
    Reported,
    Source,
    StartTask,
    StopTask,
    Tick,
    WakeAt,
)  # fmt: skip
from controller.dag.state import Run
from controller.dag.status import status
from controller.dag.turn import Turn
from controller.locks import Answer, Claim, LockTable
from executor.model import ContainerState, Outputs, Report, Task

SHARED = Path(__file__).parents[2].parent / "shared" / "conformance"
TRACES = SHARED / "cases" / "argo-workflows-traces.json"
WORKFLOWS = SHARED / "workflows"
START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=10)
KIND_OF_TEMPLATES = ("WorkflowTemplate", "ClusterWorkflowTemplate")

pytestmark = pytest.mark.skipif(
    not TRACES.exists(), reason="no conformance material beside the checkout"
)


@cache
def traces() -> dict[str, Any]:
    if not TRACES.exists():
        return {}
    return {trace["id"]: trace for trace in json.loads(TRACES.read_text())["traces"]}


@cache
def example_documents() -> list[dict[str, Any]]:
    found = []
    for path in sorted(WORKFLOWS.rglob("*.yaml")):
        found += [
            d.value for d in yaml.load(path.read_text(), str(path)) if isinstance(d.value, dict)
        ]
    return found


def manifests_of(trace: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The workflow of a trace, and the objects around it."""
    if "manifests" in trace:
        objects = trace["manifests"]
        return next(o for o in objects if o["kind"] == "Workflow"), objects
    path = WORKFLOWS / trace["example_file"].removeprefix("examples/")
    if not path.exists():
        pytest.skip(f"the example {path.name} is not part of the material")
    documents = [d.value for d in yaml.load(path.read_text(), str(path))]
    chosen = [d for d in documents if d.get("kind") == "Workflow"][trace["document_index"]]
    return chosen, example_documents()


def shelf_of(objects: list[dict[str, Any]], namespace: str) -> stored.TemplateShelf:
    shelf = stored.TemplateShelf()
    for found in objects:
        if found.get("kind") in KIND_OF_TEMPLATES:
            raw = decode.decode(found).raw
            raw["metadata"].setdefault("namespace", namespace)
            shelf.apply(raw)
    return shelf


def problem_of(trace: dict[str, Any]) -> str:
    """What validation says of the workflow before it is run."""
    workflow, objects = manifests_of(trace)
    shelf = shelf_of(objects, "default")
    decoded = decode.decode(
        {**workflow, "metadata": {"namespace": "default", **workflow["metadata"]}}
    )
    problems = validate.validate_workflow(decoded, shelf.template, mode="create")
    return next((p.message for p in problems if p.severity == "error"), "")


def source_of(trace: dict[str, Any]) -> Source:
    workflow, objects = manifests_of(trace)
    raw = decode.decode(workflow).raw
    shelf, spec = shelf_of(objects, "default"), raw["spec"]
    spec = merge.join_specs(spec, stored.base_spec(spec, shelf, "default"), None)
    metadata = raw["metadata"]
    config_maps = {
        o["metadata"]["name"]: o.get("data") or {} for o in objects if o.get("kind") == "ConfigMap"
    }
    return Source(
        uid="uid",
        name=metadata.get("name") or metadata.get("generateName", "wf-").rstrip("-"),
        namespace="default",
        spec=spec,
        created=START,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        templates=stored.closure(spec, shelf, "default"),
        config_maps=config_maps,
    )


# What the comments of the examples ask the reader to create.
MENTIONED = {"my-config": {"workflow": "1", "template": "2"}}


class Gates:
    """The lock table and the cache, at once and in memory."""

    def __init__(self, config_maps: Mapping[str, Mapping[str, str]]) -> None:
        self.config_maps = config_maps
        self.table = LockTable(self.limit)
        self.cache: dict[tuple[str, str], Memorize] = {}

    def limit(self, lock: Lock) -> int:
        _, _, name, key = lock.name.split("/")
        return int((self.config_maps.get(name) or MENTIONED[name])[key])

    def answers(self, effects: list[Effect]) -> list[Input]:
        found: list[Input] = []
        for effect in effects:
            match effect:
                case Acquire(holder=holder, locks=locks):
                    self.table.ask(Claim("uid", holder, created=START), locks)
                case Release(holder=holder):
                    self.table.release("uid", holder)
                case Memorize(cache=cache, key=key):
                    self.cache[cache, key] = effect
                case Recall(node=node, memo=memo):
                    found.append(self.recalled(node, memo))
                case _:
                    pass
        return [*found, *(self.locked(answer) for answer in self.table.answers())]

    def recalled(self, node: str, memo: Memo) -> Recalled:
        kept = self.cache.get((memo.cache, memo.key))
        if kept is None:
            return Recalled(node=node, hit=False)
        return Recalled(node=node, hit=True, outputs=kept.outputs, exit_code=kept.exit_code)

    def locked(self, answer: Answer) -> Locked:
        told = {"waiting": answer.waiting, "message": answer.message, "error": answer.error}
        return Locked(holder=answer.claim.holder, **told)


class Script:
    """Plays a trace: the executor, the clock and the operator."""

    def __init__(self, trace: dict[str, Any]) -> None:
        script = trace["script"]
        self.source, self.problem = source_of(trace), problem_of(trace)
        self.run = begin(self.source)
        self.rules = [dict(rule) for rule in script.get("pods") or ()]
        actions = script.get("actions") or []
        self.actions: list[dict[str, Any]] = (
            [] if isinstance(actions, str) else [dict(a) for a in actions]
        )
        self.resumes = isinstance(actions, str)
        self.serial = script.get("serial", False)
        self.now, self.end = START, START + timedelta(seconds=script.get("wait_s", 0))
        self.out: dict[str, Task] = {}
        self.hanging: dict[str, Task] = {}
        self.asked: dict[str, Task] = {}
        self.wake: datetime | None = None
        self.launches: list[dict[str, Any]] = []
        self.history: list[Change] = []
        self.gates = Gates(self.source.config_maps)
        self.before_retry: dict[str, Any] | None = None
        self.after_reset: dict[str, Any] | None = None

    def play(self) -> None:
        self.step([Begin(self.problem)])
        for count in range(2000):
            wishes = [self.wish(a) for a in self.due(f"step:{count}")]
            reports = [Reported(r) for r in self.outcomes()]
            if reports or wishes:
                self.step([*reports, *wishes])
            elif self.run.phase in ("Succeeded", "Failed", "Error"):
                if not self.operate("completed"):
                    return
            elif not self.pass_time() and not self.operate("stuck"):
                return

    def step(self, inputs: list[Input]) -> None:
        self.now += TICK
        changes: list[Change] = []
        effects: list[Effect] = []
        while inputs:
            done = advance.advance(self.run, inputs, self.now)
            changes += done.changes
            effects += done.effects
            inputs = self.gates.answers(done.effects)
        self.take(changes, effects)

    def take(self, changes: list[Change], effects: list[Effect]) -> None:
        self.history += changes
        fresh = []
        for effect in effects:
            match effect:
                case StartTask(task=task):
                    self.out[task.node_name] = self.asked[task.node_name] = task
                    fresh.append(task.node_name)
                case StopTask(id=task_id):
                    gone = [
                        n for n, t in (*self.out.items(), *self.hanging.items()) if t.id == task_id
                    ]
                    for name in gone:
                        self.out.pop(name, None)
                        self.hanging.pop(name, None)
                case WakeAt(at=at):
                    self.wake = at
                case Finished():
                    self.out.clear()
        if fresh:
            self.launches.append({"new_pods": sorted(fresh)})

    def due(self, when: str) -> list[dict[str, Any]]:
        found = [a for a in self.actions if a["at"] == when]
        for action in found:
            self.actions.remove(action)
        return found

    def wish(self, action: dict[str, Any]) -> Operation:
        return Operation(
            kind=action["op"], selector=action.get("selector", ""), message=action.get("message", ""),
            outputs=json.loads(action.get("out", "{}")),
        )  # fmt: skip

    def operate(self, when: str) -> bool:
        """Carry out the next action for this situation; False when there is none."""
        if when == "stuck" and self.resumes and self.run.index.suspended:
            self.step([Operation(kind="resume")])
            return True
        action = next((a for a in self.actions if a["at"] == when), None)
        if action is None:
            return False
        self.actions.remove(action)
        try:
            self.act(action)
        except OperationRefused as refusal:
            self.launches.append({"action": action["op"], "error": str(refusal)})
        return True

    def act(self, action: dict[str, Any]) -> None:
        if action["op"] == "release":
            freed = [n for n in self.hanging if re.fullmatch(action["release"], n)]
            self.out |= {n: self.hanging.pop(n) for n in freed}
            self.rules = [r for r in self.rules if not r.get("hang")]
        elif action["op"] == "retry":
            self.retry(action)
        else:
            self.step([self.wish(action)])

    def retry(self, action: dict[str, Any]) -> None:
        self.before_retry = nodes_of(self.run)
        self.now += TICK
        turn = Turn(self.run, self.now, advance.RULES)
        retry_run.reset(
            turn, restart_successful=action.get("restart_successful", False),
            selector_text=action.get("selector", ""), parameters=action.get("parameters") or {},
        )  # fmt: skip
        self.after_reset = nodes_of(self.run)
        retry_run.reopen(turn)
        self.take(turn.changes(), turn.effects)
        if answers := self.gates.answers(turn.effects):
            self.step(answers)

    def pass_time(self) -> bool:
        if self.wake is None or self.wake > self.end:
            return False
        self.now, self.wake = max(self.now, self.wake), None
        self.step([Tick()])
        return True

    def outcomes(self) -> list[Report]:
        ready = sorted(self.out)[:1] if self.serial else sorted(self.out)
        return [report for name in ready for report in self.outcome(name, self.out.pop(name))]

    def outcome(self, name: str, task: Task) -> Iterator[Report]:
        rule = next(
            (
                r
                for r in self.rules
                if re.fullmatch(r.get("node", ".*"), name) and r.get("times") != 0
            ),
            {},
        )
        if "times" in rule:
            rule["times"] -= 1
        if hang := rule.get("hang"):
            self.hanging[name] = task
            if hang != "Pending":
                yield Report(task=task.id, state="started", at=self.now)
            return
        yield self.ending(name, task, rule)

    def ending(self, name: str, task: Task, rule: dict[str, Any]) -> Report:
        codes = codes_of(task, rule)
        code, error = rule.get("exit", codes.get("main", 0)), rule.get("error")
        bad = next((n for n, c in codes.items() if c), "main")
        ok = not code and not error
        given = rule.get("params") or {}
        declared = (task.template.get("outputs") or {}).get("parameters") or []
        parameters = {p["name"]: f"val-{p['name']}" for p in declared} if ok else {}
        parameters |= {p["name"]: given[p["name"]] for p in declared if p["name"] in given}
        artifacts = (task.template.get("outputs") or {}).get("artifacts") or []
        result = (
            rule.get("result", f"res-{name}")
            if task.capture_result and (ok or "result" in rule)
            else None
        )
        left = Outputs(
            parameters=parameters,
            artifacts={a["name"]: {**a, "s3": {"key": f"{name}/{a['name']}"}} for a in artifacts}
            if ok
            else {},
            result=result,
            exit_code=None if codes and "main" not in codes else str(code),
        )
        message = (
            f"wait: Error (exit code 64): {error}"
            if error
            else f"{bad}: Error (exit code {codes.get(bad, code)})"
            if code
            else ""
        )
        state: Any = "error" if error else "failed" if code else "succeeded"
        told = [ContainerState(name=n, code=c) for n, c in codes.items()]
        return Report(
            task=task.id, state=state, at=self.now, message=message, outputs=left, containers=told
        )


def codes_of(task: Task, rule: dict[str, Any]) -> dict[str, int]:
    """The exit codes of a set's containers, in their order."""
    containers = (task.template.get("containerSet") or {}).get("containers") or ()
    given = rule.get("containers") or {}
    return {c["name"]: given.get(c["name"], rule.get("exit", 0)) for c in containers}


def nodes_of(run: Run) -> dict[str, Any]:
    shown = status(run)["nodes"]
    name_of = {node["id"]: node["name"] for node in shown.values()}
    return {node["name"]: node_of(node, name_of) for node in shown.values()}


def node_of(node: dict[str, Any], name_of: dict[str, str]) -> dict[str, Any]:
    outputs, ref = node.get("outputs") or {}, node.get("templateRef")
    found = {
        "id": node["id"], "type": node["type"], "phase": node["phase"], "display": node["displayName"],
        "message": node.get("message"), "progress": node.get("progress"),
        "boundary": name_of.get(node.get("boundaryID", "")),
        "children": sorted(name_of[c] for c in node.get("children") or ()),
        "outbound": sorted(name_of[c] for c in node.get("outboundNodes") or ()),
        "template": node.get("templateName"),
        "templateRef": f"{ref['name']}/{ref['template']}" if ref else None,
        "flags": sorted(node.get("nodeFlag") or ()),
        "inputs": {p["name"]: p["value"] for p in (node.get("inputs") or {}).get("parameters") or ()},
        "outputs": {p["name"]: p.get("value") for p in outputs.get("parameters") or () if p.get("value") is not None},
        "artifacts": sorted(a["name"] for a in outputs.get("artifacts") or ()),
        "memo_hit": (node.get("memoizationStatus") or {}).get("hit"),
        "result": outputs.get("result"), "exitCode": outputs.get("exitCode"),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value not in (None, [], {}, "")}
