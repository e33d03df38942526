"""Retry by hand: a run that has ended goes on in place, with what failed (and what followed it) taken away."""

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime

from controller.dag import advance, deadlines, execute, fold, gates, opening, outputs, selector
from controller.dag.model import Advance, Node, OperationRefused
from controller.dag.phase import BAD
from controller.dag.state import Run
from controller.dag.turn import Turn

EXECUTION = frozenset({"Pod", "Container", "HTTP", "Plugin"})
_GROUPS = frozenset({"DAG", "Steps", "StepGroup", "TaskGroup"})


def retry(
    run: Run,
    now: datetime,
    restart_successful: bool = False,
    selector: str = "",
    parameters: Mapping[str, str] | None = None,
) -> Advance:
    """Reset the run and go on. Raises OperationRefused, with nothing changed, when it cannot be retried.

    `selector` with `restart_successful` names nodes to run again although they succeeded. `parameters` override the
    workflow's arguments.
    """
    turn = Turn(run, now, advance.RULES)
    reset(
        turn,
        restart_successful=restart_successful,
        selector_text=selector,
        parameters=parameters or {},
    )
    reopen(turn)
    return Advance(turn.changes(), turn.effects)


def reopen(turn: Turn) -> None:
    """Set the run going again after a reset."""
    run = turn.run
    opening.want_locks(turn)
    if opening.is_held_back(turn):
        deadlines.next_wake(turn)
        return
    turn.move_run("Running")
    opening.set_deadline(turn)
    if run.root is None:
        fold.index(run)
        opening.enter(turn)
        advance.follow(turn)
    else:
        advance.look_everywhere(turn)
    deadlines.next_wake(turn)


def reset(
    turn: Turn, *, restart_successful: bool, selector_text: str, parameters: Mapping[str, str]
) -> None:
    """Take away and reset nodes as Argo does (spec G.6); the run is as if it had not been started."""
    run = turn.run
    _check(run, restart_successful, selector_text)
    chosen: set[str] = set()
    if restart_successful and selector_text:
        matches = selector.matcher(run, selector_text)
        chosen = {node.id for node in run.nodes.values() if matches(node)}
    chosen |= set(_failed(run, chosen))
    gone, reset_nodes = _consequences(run, chosen)
    if parameters:
        gone |= _children_of_groups(run, reset_nodes - gone)
    gone |= {node.id for node in run.nodes.values() if node.name.startswith(f"{run.name}.onExit")}
    turn.drop(gone)
    for node_id in reset_nodes - gone:
        _reset_node(turn, run.nodes[node_id])
    turn.move_run("", "")
    turn.change_run(started=turn.now, finished=None, shutdown="", deadline=None)
    turn.change_run(parameters={**run.parameters, **parameters})


def _check(run: Run, restart_successful: bool, selector_text: str) -> None:
    if run.phase in BAD or (run.phase == "Succeeded" and restart_successful and selector_text):
        return
    if run.phase == "Succeeded":
        raise OperationRefused(
            "To retry a succeeded workflow, set the options restartSuccessful and nodeFieldSelector"
        )
    raise OperationRefused(f"Cannot retry a workflow in phase {run.phase}")


def _failed(run: Run, chosen: set[str]) -> Iterator[str]:
    """Failed execution nodes after which nothing succeeded that will stay."""
    for node in run.nodes.values():
        if node.type in EXECUTION and node.phase in BAD and not _led_to_success(run, node, chosen):
            yield node.id


def _led_to_success(run: Run, node: Node, chosen: set[str]) -> bool:
    start = node.owner if "retried" in node.flags and node.owner in run.nodes else node.id
    below = subtree(run, start) - {start} - chosen
    return any(_is_success(run.nodes[i]) for i in below)


def _is_success(node: Node) -> bool:
    """Whether the node is work that has succeeded. An exit handler runs whatever happened, and is run again."""
    return node.type in EXECUTION and node.phase == "Succeeded" and not execute.is_exit(node.name)


def subtree(run: Run, node_id: str) -> set[str]:
    """The node and everything its arrows lead to."""
    found, queue = {node_id}, deque([node_id])
    while queue:
        for child in run.nodes[queue.popleft()].children or ():
            if child not in found and child in run.nodes:
                found.add(child)
                queue.append(child)
    return found


def _consequences(run: Run, chosen: set[str]) -> tuple[set[str], set[str]]:
    """What vanishes with the chosen nodes, and what around them has to be open again."""
    gone: set[str] = set()
    around: set[str] = set()
    for node_id in _from_the_root(run):
        if node_id not in chosen or node_id in gone:
            continue
        node = run.nodes[node_id]
        if node.type == "Container":  # its pod goes, with all its containers
            node = run.nodes[node.boundary]
        gone |= subtree(run, node.id)
        around |= set(_above(run, node))
    return gone, around


def _from_the_root(run: Run) -> list[str]:
    found = dict.fromkeys([run.name] if run.root else [])
    queue = deque(found)
    while queue:
        fresh = [c for c in run.nodes[queue.popleft()].children or () if c not in found]
        found.update(dict.fromkeys(fresh))
        queue.extend(fresh)
    return [*found, *(i for i in run.nodes if i not in found)]


def _above(run: Run, node: Node) -> Iterator[str]:
    """The groups around a node, and retries that failed."""
    owner = run.nodes.get(node.owner)
    while owner is not None:
        if owner.type in _GROUPS or owner.type == "Retry":
            yield owner.id
        owner = run.nodes.get(owner.owner)


def _children_of_groups(run: Run, reset_nodes: set[str]) -> set[str]:
    """With other parameters, loops must expand anew."""
    gone: set[str] = set()
    for node_id in reset_nodes:
        if run.nodes[node_id].type in ("TaskGroup", "StepGroup"):
            gone |= subtree(run, node_id) - {node_id}
    return gone


def _reset_node(turn: Turn, node: Node) -> None:
    turn.reopen(node)
    gates.close_again(turn, node)
    if node.type == "Suspend":
        turn.change(node, outputs=outputs.supplied(turn.run.definition(node)))
