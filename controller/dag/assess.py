"""What a dag comes to once nothing in it is left to do (spec 4.7)."""

from collections import deque

from controller.dag import execute
from controller.dag.library import Definition
from controller.dag.model import Node
from controller.dag.phase import BAD, COMPLETED, Phase
from controller.dag.scope import last_attempt
from controller.dag.state import Run
from controller.dag.steps import continues_on


def task_node(run: Run, dag: Node, task: str) -> Node | None:
    return run.find(f"{dag.name}.{task}")


def dag_phase(run: Run, dag: Node, definition: Definition, targets: tuple[int, ...]) -> Phase:
    """The phase of the dag: the first target that went wrong and was not tolerated decides."""
    if run.shutdown and not execute.is_exit(dag.name):
        return "Failed"
    graph = definition.graph
    result: Phase = "Succeeded"
    fail_fast = definition.template["dag"].get("failFast") is not False
    deduced = _inherited(run, dag, [graph.tasks[i]["name"] for i in targets])
    for slot in targets:
        phase = deduced.get(graph.tasks[slot]["name"], "Succeeded")
        if phase in BAD and not continues_on(graph.tasks[slot], phase):
            result = phase
            if fail_fast:
                break
    return result


def _inherited(run: Run, dag: Node, targets: list[str]) -> dict[str, Phase]:
    """The phase of each target; one that never ran has the phase of what led to it."""
    nodes = {name: node for name in targets if (node := task_node(run, dag, name))}
    known: dict[str, Phase] = {name: node.phase for name, node in nodes.items()}
    if all(phase in COMPLETED for phase in known.values()):
        return known
    return _walk(run, dag, nodes)


def _walk(run: Run, dag: Node, targets: dict[str, Node]) -> dict[str, Phase]:
    """Carry phases down the arrows: a completed node replaces what came with its own, the others pass it on."""
    names_of = {node.id: name for name, node in targets.items()}
    found: dict[str, Phase] = {}
    seen: set[tuple[str, Phase]] = set()
    queue: deque[tuple[str, Phase]] = deque((c, "Succeeded") for c in dag.children or ())
    while queue:
        step = queue.popleft()
        if step in seen:
            continue
        seen.add(step)
        node, branch = run.nodes[step[0]], step[1]
        if node.phase in COMPLETED:
            branch = node.phase
        if (name := names_of.get(node.id)) and found.get(name) not in BAD:
            found[name] = branch
        queue.extend((c, branch) for c in _onward(run, node))
    return found


def _onward(run: Run, node: Node) -> list[str]:
    """What lies beyond a node: for a retried one beyond its last attempt and its hooks."""
    if node.type != "Retry":
        return node.children or []
    hooks = [run.nodes[c] for c in node.children or () if "hooked" in run.nodes[c].flags]
    return [c for n in (last_attempt(run, node), *hooks) if n is not node for c in n.children or ()]
