"""A run as Argo shows it: the `status` of a Workflow object."""

from collections.abc import Iterable
from typing import Any

from controller.dag import lock_status, measure, names, progress, resources, variables
from controller.dag.library import Definition
from controller.dag.model import Json, Node, NodeOutputs
from controller.dag.phase import COMPLETED
from controller.dag.state import Run

# Beyond this many nodes what needs a walk over all of them is left out: the progress of each group, faults of metrics.
WALK_LIMIT = 5_000


def status(run: Run) -> Json:
    """Argo's status JSON, with the whole node tree."""
    return {**head(run), "nodes": of_nodes(run, run.nodes.values())}


def head(run: Run) -> Json:
    """The status without the nodes, as one who asks for the whole workflow gets it."""
    return {**summary(run), "conditions": conditions(run, measured=True)}


def of_nodes(run: Run, nodes: Iterable[Node]) -> Json:
    """Some nodes of a run by their id."""
    detailed = len(run.nodes) <= WALK_LIMIT
    return {node.id: of_node(run, node, detailed=detailed) for node in nodes}


def summary(run: Run) -> Json:
    """The same as it is written at every step: without what is only found by a walk over the nodes, until the end."""
    found: Json = {
        "phase": run.phase,
        "progress": progress.of_run(run),
        "conditions": conditions(run, measured=run.phase in COMPLETED),
    }
    if run.started:
        found["startedAt"] = variables.rfc3339(run.started)
    found["finishedAt"] = variables.rfc3339(run.finished) if run.finished else None
    if run.message:
        found["message"] = run.message
    if run.finished and (spent := resources.of_run(run)):
        found["resourcesDuration"] = spent
    if held := lock_status.of_run(run):
        found["synchronization"] = held
    if run.outputs and (listed := outputs_json(run.outputs, None)):
        found["outputs"] = listed
    return found


def conditions(run: Run, *, measured: bool) -> list[Json]:
    """PodRunning once there were steps, Completed once it is over."""
    found = []
    if run.index.pods:
        found.append({"type": "PodRunning", "status": str(run.index.running > 0)})
    if run.phase in COMPLETED:
        found.append({"type": "Completed", "status": "True"})
    if warning := _warning(run):
        found.append({"type": "SpecWarning", "status": "True", "message": warning})
    if measured and len(run.nodes) <= WALK_LIMIT and (faults := ", ".join(measure.faults_of(run))):
        found.append({"type": "MetricsError", "status": "True", "message": faults})
    return found


def _warning(run: Run) -> str:
    """The fields of the spec without effect."""
    known = run.library
    pods = f"no effect where these steps run: {', '.join(known.overlooked)}"
    return pods if known.overlooked else ""


def of_node(run: Run, node: Node, *, detailed: bool = True) -> Json:
    """One node as Argo shows it."""
    definition = run.definition(node) if node.template else None
    boundary = run.nodes[node.boundary].name if node.boundary in run.nodes else ""
    found: Json = {
        "id": node.id,
        "name": node.name,
        "displayName": names.display_name(node.name, boundary),
        "type": node.type,
        "phase": node.phase,
    }
    if definition is not None:
        found |= _template(run, definition)
    found |= _plain(node)
    found |= _flags(node)
    found |= lock_status.of_node(node)
    if definition is not None and (inputs := inputs_json(definition, node)):
        found["inputs"] = inputs
    if left := outputs_json(node.outputs, node.exit_code):
        found["outputs"] = left
    if (node.type == "Pod" or detailed) and (spent := resources.of_node(run, node)):
        found["resourcesDuration"] = spent
    if shown := _progress(run, node, detailed):
        found["progress"] = shown
    return found


def _template(run: Run, definition: Definition) -> Json:
    scope = definition.scope or f"local/{run.name}"
    found: Json = {"templateScope": scope}
    if definition.name:
        found["templateName"] = definition.name
    if definition.ref:
        found["templateRef"] = definition.ref
    return found


def _plain(node: Node) -> Json:
    found: Json = {
        "boundaryID": node.boundary,
        "message": node.message,
        "children": node.children,
        "outboundNodes": node.outbound,
        "daemoned": node.daemoned or None,
        "hostNodeName": node.host,
        "startedAt": variables.rfc3339(node.started) if node.started else None,
        "finishedAt": variables.rfc3339(node.finished) if node.finished else None,
    }
    return {key: value for key, value in found.items() if value or key == "finishedAt"}


def _flags(node: Node) -> Json:
    return {"nodeFlag": dict.fromkeys(node.flags.split(","), True)} if node.flags else {}


def inputs_json(definition: Definition, node: Node) -> Json:
    values = node.inputs or ()
    parameters = [
        {"name": n, "value": v} for n, v in zip(definition.input_names, values, strict=False)
    ]
    found: Json = {"parameters": parameters} if parameters else {}
    return {**found, "artifacts": node.artifacts} if node.artifacts else found


def outputs_json(outputs: NodeOutputs | None, exit_code: str | None) -> Json:
    found: Json = {}
    if outputs is not None:
        if outputs.parameters:
            found["parameters"] = [_parameter(n, v) for n, v in outputs.parameters.items()]
        if outputs.artifacts:
            found["artifacts"] = [{**a, "name": n} for n, a in outputs.artifacts.items()]
        if outputs.result is not None:
            found["result"] = outputs.result
    if exit_code is not None:
        found["exitCode"] = exit_code
    return found


def _parameter(name: str, value: str | None) -> dict[str, Any]:
    return (
        {"name": name, "valueFrom": {"supplied": {}}}
        if value is None
        else {"name": name, "value": value}
    )


def _progress(run: Run, node: Node, detailed: bool) -> str:
    if node.type in progress.COUNTED:
        return progress.text(progress.of_leaf(node))
    return progress.of_group(run, node) if detailed else ""
