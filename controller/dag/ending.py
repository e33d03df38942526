"""The end of a run: hooks of the workflow, the exit handler, the final phase."""

import json
from datetime import UTC, datetime
from typing import Any

from bireme.lang.errors import LangError
from controller.dag import daemons, execute, expressions, names, scope, substitute, variables
from controller.dag.hooks import exit_hook
from controller.dag.model import Json, Node
from controller.dag.phase import BAD, FULFILLED, Phase
from controller.dag.state import Run
from controller.dag.turn import Turn

ENTRY_ERROR = "error in entry template execution: "
EXIT_ERROR = "error in exit template execution : "


def tentative(root: Node | None) -> Phase:
    """What the workflow would be called if only its root counted."""
    if root is None or root.phase in ("Pending", "Running"):
        return root.phase if root else "Running"
    return root.phase if root.phase in BAD else "Succeeded"


def root_ended(turn: Turn, node: Node) -> None:
    """A node nobody waits for is over. If the entrypoint could not be executed, the run ends here and now."""
    if node is turn.run.root and node.id in turn.faults and turn.run.phase == "Running":
        _finish(turn, "Error", f"{ENTRY_ERROR}{turn.faults[node.id]}")


def watch(turn: Turn) -> None:
    """Start the workflow's hooks whose time has come, and end the run when nothing is outstanding."""
    run = turn.run
    root = run.root
    if root is None or run.phase != "Running":
        return
    _start_hooks(turn, root)
    over = root.phase in FULFILLED or root.daemoned
    if over and not _outstanding(run):
        _exit(turn, root)


def _exit(turn: Turn, root: Node) -> None:
    """Everything but the exit handler is over: run it, or come to the end."""
    handler = run_handler(turn.run)
    node = _handler_node(turn.run)
    if handler is not None and node is None and execute.allowed(turn.run.shutdown, "w.onExit"):
        try:
            _start_handler(turn, root, handler)
        except execute.Fault as fault:
            _finish(turn, "Error", f"{EXIT_ERROR}{fault}")
        return
    if node is None or node.phase in FULFILLED:
        _conclude(turn, root, node)


def run_handler(run: Run) -> Json | None:
    """The workflow's exit handler as a hook."""
    return exit_hook(run.spec)


def _handler_node(run: Run) -> Node | None:
    return run.find(names.hook_name(run.name, "exit"))


def _start_handler(turn: Turn, root: Node, handler: Json) -> None:
    run = turn.run
    result = tentative(root)
    turn.change_run(seen_status=result)
    run.variables["workflow.status"] = result
    run.variables["workflow.failures"] = failures(run)
    arguments = handler.get("arguments") or {}
    if not arguments.get("parameters") and not arguments.get("artifacts"):
        arguments = workflow_arguments(run)
    call = execute.Call(
        name=names.hook_name(run.name, "exit"), holder=handler, flags="hooked",
        arguments=_resolved(run, arguments),
    )  # fmt: skip
    execute.execute_now(turn, call)


def _resolved(run: Run, arguments: Json) -> Json:
    """With values for tags, and the artifacts of the workflow where `from` names one."""
    found: Json = substitute.fill(arguments, run.variables)
    artifacts = found.get("artifacts") or []
    return {**found, "artifacts": [_located(run, a) for a in artifacts]} if artifacts else found


def _located(run: Run, artifact: Json) -> Json:
    reference = substitute.pure_reference(artifact.get("from", ""))
    known = run.outputs.artifacts if run.outputs else {}
    found = known.get(reference.removeprefix(scope.GLOBAL_ARTIFACT))
    return artifact if found is None else {**found, "name": artifact["name"]}


def workflow_arguments(run: Run) -> Json:
    """The workflow's own arguments with their final values."""
    given = run.spec.get("arguments") or {}
    parameters = [{"name": p["name"], "value": p["value"]} for p in variables.parameters_of(run)]
    return {"parameters": parameters, "artifacts": given.get("artifacts") or []}


def failures(run: Run) -> str:
    """The failed nodes, as JSON in a JSON string, which is how Argo hands them over."""
    found = [
        _failure(run, node)
        for node in run.nodes.values()
        if node.phase in BAD and node.type == "Pod"
    ]
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else "null"
    return json.dumps(text, ensure_ascii=False)


def _failure(run: Run, node: Node) -> dict[str, Any]:
    definition = run.definition(node)
    boundary = run.nodes[node.boundary].name if node.boundary else ""
    return {
        "displayName": names.display_name(node.name, boundary),
        "message": node.message,
        "templateName": definition.name,
        "phase": node.phase,
        "podName": names.pod_name(run.name, node.name, definition.pod_template),
        "finishedAt": variables.rfc3339(node.finished or _NEVER),
    }


_NEVER = datetime.min.replace(tzinfo=UTC)


def _conclude(turn: Turn, root: Node, handler: Node | None) -> None:
    run = turn.run
    result, message = tentative(root), root.message if root.phase in BAD else ""
    if result == "Succeeded" and handler is not None and handler.phase in BAD:
        result, message = handler.phase, handler.message
    if result == "Failed" and run.shutdown:
        message = f"Stopped with strategy '{run.shutdown}'"
    _finish(turn, result, message)


def _finish(turn: Turn, result: Phase, message: str) -> None:
    for boundary in {turn.run.nodes[d].boundary for d in turn.run.index.daemons}:
        daemons.end(turn, boundary)
    turn.finish("Succeeded" if result in ("Running", "Pending") else result, message)


# --- hooks of the workflow --------------------------------------------------------------------------------------


def _hooks(run: Run) -> dict[str, Json]:
    return {k: v for k, v in (run.spec.get("hooks") or {}).items() if k != "exit"}


def _start_hooks(turn: Turn, root: Node) -> None:
    run = turn.run
    missing = {k: v for k, v in _hooks(run).items() if _hook_node(run, k) is None}
    if not missing or _handler_node(run) is not None:
        return
    known = {**run.variables, "workflow.status": tentative(root)}
    for name, hook in missing.items():
        try:
            if expressions.holds(hook["expression"], known):
                _start_hook(turn, root, name, hook)
        except (LangError, execute.Fault) as error:
            if root.phase not in FULFILLED:
                turn.move(root, "Error", str(error))


def _start_hook(turn: Turn, root: Node, name: str, hook: Json) -> None:
    arguments = substitute.fill(hook.get("arguments") or {}, turn.run.variables)
    call = execute.Call(
        name=names.hook_name(root.name, name),
        holder=hook,
        flags="hooked",
        parents=[root.id],
        arguments=arguments,
    )
    execute.execute_now(turn, call)


def _hook_node(run: Run, name: str) -> Node | None:
    return run.find(names.hook_name(run.name, name))


def _outstanding(run: Run) -> bool:
    started = (_hook_node(run, name) for name in _hooks(run))
    return any(node is not None and node.phase not in FULFILLED for node in started)
