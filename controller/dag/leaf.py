"""Leaves: a task for the executor, and what becomes of its node when the executor reports."""

from datetime import datetime, timedelta
from typing import Any

from bireme.lang import goduration
from bireme.lang.errors import LangError
from controller.dag import containers, daemons, execute, outputs, scope, substitute
from controller.dag.library import Definition
from controller.dag.model import Json, Node, NodeOutputs, StartTask
from controller.dag.scope import Layered
from controller.dag.state import Run
from controller.dag.turn import Turn
from executor.model import Report, Task

_ENDS = {"succeeded": "Succeeded", "failed": "Failed", "error": "Error"}


def start(turn: Turn, node: Node, definition: Definition) -> None:
    """Hand the leaf to the executor. A body that cannot be made is a fault of the node."""
    try:
        task = task_of(turn.run, node, definition)
        if definition.volatile:
            turn.change(node, body=task.template)
    except LangError as error:
        execute.fault(turn, node, str(error))
        return
    if definition.kind == "containerSet":
        containers.open_nodes(turn, node, definition)
    turn.effects.append(StartTask(task))
    if limit := timeout_of(turn.run, node, definition):
        turn.wake(turn.now + limit, "timeout", node)


def task_of(run: Run, node: Node, definition: Definition) -> Task:
    """The task of a leaf, made from the node alone; made again, later or elsewhere, it is the same."""
    body = node.body or _body(run, node, definition)
    return Task(
        id=run.task_id(node),
        run=run.source.uid,
        namespace=run.source.namespace,
        workflow=run.name,
        node=node.id,
        node_name=node.name,
        template=body,
        capture_result=definition.kind == "data" or captures(run, node),
        deadline=deadline_of(run, node, body),
        archive=_archive(run, body),
        volumes=_volumes(run, definition),
        on_exit=execute.is_exit(node.name),
    )


def _archive(run: Run, body: Json) -> Json:
    """Where the step's log goes: what the template says wins over the workflow."""
    own: Json = body.get("archiveLocation") or {}
    whole = run.spec.get("archiveLogs")
    if whole is None or own.get("archiveLogs") is not None:
        return own
    return {**own, "archiveLogs": whole}


def _body(run: Run, node: Node, definition: Definition) -> Json:
    around = Layered(scope.own_variables(run, node, definition), run.variables)
    body: Json = substitute.resolve(definition.body, around, now=node.started)
    if definition.inputs or definition.input_artifacts:
        return {**body, "inputs": task_inputs(definition, node)}
    return body


def _volumes(run: Run, definition: Definition) -> list[Json]:
    """The workflow's volumes that the template mounts, and the claims made for the run."""
    if not definition.mounts:
        return []
    volumes = [v for v in run.spec.get("volumes") or () if v["name"] in definition.mounts]
    claims = (c["metadata"]["name"] for c in run.spec.get("volumeClaimTemplates") or ())
    found: list[Json] = substitute.fill(volumes, run.variables)
    return [*found, *({"name": c, "claimTemplate": True} for c in claims if c in definition.mounts)]


def task_inputs(definition: Definition, node: Node) -> Json:
    """The inputs with their values, artifacts with their places."""
    values = node.inputs or ()
    parameters = [
        {"name": n, "value": v} for n, v in zip(definition.input_names, values, strict=True)
    ]
    found: Json = {"parameters": parameters} if parameters else {}
    return {**found, "artifacts": node.artifacts} if node.artifacts else found


def _definition_around(run: Run, node: Node) -> Definition:
    return scope.frame(run, node.boundary).definition


def captures(run: Run, node: Node) -> bool:
    """Whether the template around mentions this step's result."""
    if not node.boundary or "hooked" in node.flags:
        return False
    around = _definition_around(run, node)
    if not around.result_wanted:
        return False
    _, called = scope.caller_name(run, node)
    return called.partition("(")[0] in around.result_wanted


def deadline_of(run: Run, node: Node, body: Json) -> datetime | None:
    """The earliest of the template's deadlines, the workflow's and the one of the retrying as a whole."""
    limits = [_seconds(body.get("activeDeadlineSeconds")), _duration(body.get("timeout"))]
    moments = [node.started + limit for limit in limits if limit and node.started]
    if run.deadline and not execute.is_exit(node.name):
        moments.append(run.deadline)
    return min(moments, default=None)


def timeout_of(run: Run, node: Node, definition: Definition) -> timedelta | None:
    """How long the leaf may wait to be running."""
    limits = [definition.template.get("timeout"), definition.template.get("pendingTimeout")]
    if not any(limits):
        return None
    around = Layered(scope.own_variables(run, node, definition), run.variables)
    found = [_duration(substitute.text(limit, around)) for limit in limits if limit]
    return min((limit for limit in found if limit), default=None)


def _seconds(value: Any) -> timedelta | None:
    return timedelta(seconds=int(value)) if value not in (None, "") else None


def _duration(value: Any) -> timedelta | None:
    return goduration.parse(str(value)) if value else None


# --- reports ----------------------------------------------------------------------------------------------------


def report(turn: Turn, news: Report) -> None:
    """Take in what the executor says. News about nodes that have ended, or never were, changes nothing."""
    node = turn.run.nodes.get(news.task.removeprefix(f"{turn.run.source.uid}/"))
    if node is None or node.id not in turn.run.index.leaves:
        return
    containers.take(turn, node, news.containers)
    if news.host and node.boundary and _definition_around(turn.run, node).hosts_wanted:
        turn.change(node, host=news.host)
    if news.state == "started":
        _started(turn, node, news)
    elif news.state == "progress":
        turn.report_progress(node, news.progress or node.progress)
    else:
        _ended(turn, node, news)


def _started(turn: Turn, node: Node, news: Report) -> None:
    if node.phase == "Pending":
        turn.move(node, "Running", "")
    if news.ready and turn.run.definition(node).daemon and not node.daemoned:
        daemons.up(turn, node)
        turn.settle(node)
    turn.progressed(node)


def _ended(turn: Turn, node: Node, news: Report) -> None:
    definition = turn.run.definition(node)
    to: Any = _ENDS[news.state]
    if node.daemoned or definition.daemon:
        to = "Failed" if to == "Succeeded" else to
        turn.change(node, daemoned=False)
    was_up = turn.run.index.daemons.pop(node.id, 0) is None
    if news.outputs is not None:
        turn.change(node, outputs=taken(definition, news), exit_code=news.outputs.exit_code)
        outputs.export(turn, definition, node)
    turn.change(node, body=None)
    turn.move(node, to, news.message)
    if not was_up or "retried" in node.flags:
        turn.settle(node)  # the owner of a daemon was told when it came up


def taken(definition: Definition, news: Report) -> NodeOutputs | None:
    """The outputs worth keeping, or None when there are none."""
    left = news.outputs
    if left is None or not (left.parameters or left.artifacts or left.result is not None):
        return None
    return NodeOutputs(
        parameters=dict(left.parameters), artifacts=dict(left.artifacts), result=left.result
    )
