"""The counts and sets of the index, kept as nodes are born, move and end; `fold.index` makes the same ones anew."""

from controller.dag import progress
from controller.dag.model import Node
from controller.dag.phase import FULFILLED
from controller.dag.state import Run

COUNTED = frozenset({"Pod", "Steps", "DAG"})
LEAVES = frozenset({"Pod", "HTTP", "Plugin"})


def counts_as_bad(node: Node) -> bool:
    """Whether a failed node makes the steps or dag around fail fast: an attempt does not, its Retry node does."""
    kind = node.type in COUNTED or node.type == "Retry"
    return kind and bool(node.boundary) and "retried" not in node.flags


def gives_up(run: Run, around: str) -> bool:
    """Whether the steps or dag fails fast now: a child went wrong, and no other is running, nor a daemon up."""
    index, boundary = run.index, run.nodes.get(around)
    if not boundary or not index.bad.get(around) or boundary.phase in FULFILLED:
        return False
    if not run.definition(boundary).fail_fast or index.active_pods.get(around, 0):
        return False
    return all(run.nodes[daemon].boundary != around for daemon in index.daemons)


def tally(run: Run, node: Node, sign: int) -> None:
    """Count a leaf into, or out of, the progress of the run."""
    if node.type in progress.COUNTED:
        done, total = progress.of_leaf(node)
        run.index.done += sign * done
        run.index.total += sign * total
    if node.type == "Pod":
        run.index.pods += sign
        run.index.running += sign * (node.phase == "Running")


def track(run: Run, node: Node) -> None:
    """Enter a node into the index, if it is unfulfilled or has locks."""
    if node.hold is not None:
        run.index.locked[node.id] = None
    if node.phase in FULFILLED:
        return
    index = run.index
    if node.gate:
        index.gated[node.id] = None
        return
    if node.type in LEAVES:
        index.leaves[node.id] = None
    elif node.type == "Suspend":
        index.suspended[node.id] = None
    if node.type not in COUNTED:
        return
    if node.daemoned:
        index.placeless[node.id] = None
    else:
        _count(run, node, 1)


def leave(run: Run, node: Node) -> None:
    """A node that goes on gives its place back."""
    if node.id not in run.index.placeless:
        run.index.placeless[node.id] = None
        _count(run, node, -1)


def untrack(run: Run, node: Node) -> bool:
    """Take a node that has just been fulfilled out of the index; whether it had taken a place."""
    index = run.index
    if index.gated.pop(node.id, 0) is None:
        return False
    was_tracked = index.leaves.pop(node.id, 0) is None or node.type in ("Steps", "DAG")
    index.suspended.pop(node.id, 0)
    index.frames.pop(node.id, None)
    index.fans.pop(node.id, None)
    index.tasks.pop(node.id, None)
    index.blocked.pop(node.id, None)
    if not was_tracked or node.type not in COUNTED:
        return False
    if index.placeless.pop(node.id, 0) is None:
        return False
    _count(run, node, -1)
    return True


def _count(run: Run, node: Node, sign: int) -> None:
    index = run.index
    index.active[node.boundary] = index.active.get(node.boundary, 0) + sign
    if node.type == "Pod":
        for key in {"", node.boundary}:
            index.active_pods[key] = index.active_pods.get(key, 0) + sign
