"""Hooks of steps and tasks: started by their expressions, always driven to their end, waited for by what follows."""

from collections.abc import Iterator

from bireme.lang.errors import LangError
from controller.dag import bodies, dag_template, execute, expressions, names, scope, substitute
from controller.dag.model import Json, Node
from controller.dag.phase import COMPLETED, FULFILLED
from controller.dag.scope import Layered
from controller.dag.state import Run
from controller.dag.turn import Turn

_GROUPS = frozenset({"StepGroup", "DAG", "TaskGroup"})


def holder_of(run: Run, node: Node) -> Json | None:
    """The step or task a node is for; None for attempts, hooks and roots."""
    owner = run.nodes.get(node.owner)
    if owner is None or owner.type not in _GROUPS or "hooked" in node.flags:
        return None
    group = owner.slot if owner.type == "StepGroup" else 0
    definition = run.definition(run.nodes[node.boundary])
    return bodies.raw(definition, group, node.slot)


def settled(turn: Turn, node: Node) -> None:
    """The node has ended (or is a daemon that is up): run its hooks, and when they are done tell its owner."""
    try:
        if not _drive(turn, node):
            return
    except LangError as error:
        turn.rules.hook_failed(turn, node, str(error))
        return
    end = (node.id, node.phase)
    if end not in turn.told:  # its end and that of its last hook may come together
        turn.told.add(end)
        turn.done(node)


def progressed(turn: Turn, node: Node) -> None:
    """The node has been made, or is running now: a hook may be waiting for that."""
    owner = turn.run.nodes.get(node.owner)
    if owner is not None and owner.type == "Retry":
        node = owner
    try:
        _lifecycle(turn, node)
    except LangError as error:
        turn.rules.hook_failed(turn, node, str(error))


def hook_ended(turn: Turn, node: Node, hook: Node) -> None:
    """A hook is over; its own result changes nothing."""
    if node.phase in FULFILLED or node.daemoned:
        settled(turn, node)


def _drive(turn: Turn, node: Node) -> bool:
    """Start what has to start; whether nothing is outstanding."""
    _lifecycle(turn, node)
    if _running(turn.run, node):
        return False
    hook = exit_hook(holder_of(turn.run, node))
    if hook is None or node.phase not in COMPLETED or hook_node(turn.run, node, "exit"):
        return True
    if not execute.allowed(turn.run.shutdown, names.hook_name(node.name, "exit")):
        return True
    if hook.get("expression") and not expressions.holds(
        hook["expression"], own_scope(turn.run, node)
    ):
        return True
    _start(turn, node, "exit", hook)
    return not _running(turn.run, node)


def _lifecycle(turn: Turn, node: Node) -> None:
    """Start the hooks, other than exit, whose expressions hold now."""
    holder = holder_of(turn.run, node)
    if not holder or not holder.get("hooks") or _is_round_of_task(turn.run, node):
        return
    if node.phase == "Pending" and not _is_watched(turn.run, node):
        return
    for name, hook in holder["hooks"].items():
        if name == "exit" or hook_node(turn.run, node, name):
            continue
        if expressions.holds(hook["expression"], own_scope(turn.run, node)):
            _start(turn, node, name, hook)


def _is_watched(run: Run, node: Node) -> bool:
    """Whether hooks may start before the node runs: those of steps, and of the tasks a dag is run for."""
    owner = run.nodes[node.owner]
    return owner.type != "DAG" or node.slot in dag_template.targets(scope.frame(run, owner.id))


def _is_round_of_task(run: Run, node: Node) -> bool:
    """Hooks of a looped task hang on the task; only its exit hook runs for every round."""
    return run.nodes[node.owner].type == "TaskGroup"


def exit_hook(holder: Json | None) -> Json | None:
    """The exit hook of a step; its old spelling goes before the new one, as Argo has it."""
    if not holder:
        return None
    if holder.get("onExit"):
        return {"template": holder["onExit"]}
    hook: Json | None = (holder.get("hooks") or {}).get("exit")
    return hook


def hook_node(run: Run, node: Node, name: str) -> Node | None:
    return run.find(names.hook_name(node.name, name))


def _running(run: Run, node: Node) -> bool:
    holder = holder_of(run, node)
    if not holder:
        return False
    started = (hook_node(run, node, name) for name in _hook_names(holder))
    return any(hook is not None and hook.phase not in FULFILLED for hook in started)


def _hook_names(holder: Json) -> Iterator[str]:
    yield from (name for name in holder.get("hooks") or () if name != "exit")
    if exit_hook(holder):
        yield "exit"


def is_done(run: Run, node: Node) -> bool:
    """Whether the node has ended and no hook of it is running; what `settled` tells the owner, read from the facts."""
    if node.phase not in FULFILLED and not node.daemoned:
        return False
    holder = holder_of(run, node)
    if not holder or not (holder.get("hooks") or holder.get("onExit")):
        return True
    return not _running(run, node) and not _missed(run, node, holder)


def _missed(run: Run, node: Node, holder: Json) -> bool:
    """Whether a hook should have started and has not: the node ended while the run was suspended."""
    if node.phase not in COMPLETED:
        return False
    wanted = {} if _is_round_of_task(run, node) else dict(holder.get("hooks") or {})
    wanted.pop("exit", None)
    hook = exit_hook(holder)
    if hook and execute.allowed(run.shutdown, names.hook_name(node.name, "exit")):
        wanted["exit"] = hook
    fresh = [hook for name, hook in wanted.items() if hook_node(run, node, name) is None]
    return any(_holds(run, node, hook) for hook in fresh)


def _holds(run: Run, node: Node, hook: Json) -> bool:
    try:
        return not hook.get("expression") or expressions.holds(
            hook["expression"], own_scope(run, node)
        )
    except LangError:
        return True  # settling the node says so where people see it


def own_scope(run: Run, node: Node) -> Layered:
    """What a hook sees: the step itself under its own name, its siblings, and the rest."""
    frame = scope.frame(run, node.boundary)
    holder = holder_of(run, node) or {}
    root = "tasks" if frame.definition.kind == "dag" else "steps"
    known = scope.node_variables(run, scope.last_attempt(run, node))
    if node.type == "Retry":
        known["status"] = node.phase
    own = {f"{root}.{holder.get('name')}.{field}": value for field, value in known.items()}
    return Layered(own, frame.scope)


def _start(turn: Turn, node: Node, name: str, hook: Json) -> None:
    frame = scope.frame(turn.run, node.boundary)
    given = hook.get("arguments") or {}
    if name == "exit" and not given.get("parameters") and not given.get("artifacts"):
        given = {**(turn.run.spec.get("arguments") or {})}
    around = own_scope(turn.run, node)
    if absent := bodies.absent_in(given, around):
        given = bodies.without(given, absent)
    resolved = substitute.fill(given, around)
    if absent:
        resolved = {**resolved, "absent": absent}
    if resolved.get("artifacts"):
        resolved = {**resolved, "artifacts": bodies.artifacts_of(frame, resolved["artifacts"])}
    call = execute.Call(
        name=names.hook_name(node.name, name), holder=hook, scope=frame.definition.inner_scope,
        site="", owner=node.id, boundary=node.boundary, flags="hooked", parents=[node.id], arguments=resolved,
    )  # fmt: skip
    try:
        execute.execute_now(turn, call)
    except execute.Fault as fault:
        raise LangError(str(fault)) from fault
