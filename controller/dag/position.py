"""Where nodes stand in the tree: the order in which a walk from the root comes to them, down before on.

Whoever waits for a free place gets it in this order, whenever he began to wait. That is what Argo does, whose
controller walks the tree anew each time and starts what it meets until the places are taken.
"""

from heapq import heappop, heappush

from controller.dag import names
from controller.dag.model import Node
from controller.dag.state import Position, Run

_BEHIND = 1 << 62
"""The rank of a hook below its node: behind everything the node itself consists of."""


class Waiting:
    """Nodes that wait for a place, by the position of what they would start next. Each waits once."""

    __slots__ = ("_heap", "_positions")

    def __init__(self) -> None:
        self._heap: list[tuple[Position, str]] = []
        self._positions: dict[str, Position] = {}

    def __bool__(self) -> bool:
        return bool(self._positions)

    def push(self, node_id: str, position: Position) -> None:
        """Have the node wait here, and no longer where it waited before."""
        if self._positions.get(node_id) != position:
            self._positions[node_id] = position
            heappush(self._heap, (position, node_id))

    def pop(self) -> str:
        """The first in the tree; there must be one."""
        while True:
            position, node_id = heappop(self._heap)
            if self._positions.get(node_id) == position:
                del self._positions[node_id]
                return node_id


def of_next(run: Run, node: Node) -> Position:
    """The position of what the node would start next, or its own when it is itself what waits."""
    return (*of(run, node), *_next(run, node))


def of(run: Run, node: Node) -> Position:
    """The ranks on the way from the root to the node."""
    found: list[Position] = []
    while (owner := run.nodes.get(node.owner)) is not None:
        found.append(_rank(run, owner, node))
        node = owner
    return tuple(rank for part in reversed(found) for rank in part)


def _next(run: Run, node: Node) -> Position:
    live, fan = run.index.tasks.get(node.id), run.index.fans.get(node.id)
    if live is not None and live.ready:
        return (live.ready[0],)
    if fan is not None and fan.ahead is not None:
        return _among(node, fan.ahead.slot, fan.ahead.name)
    return ()


def _rank(run: Run, owner: Node, node: Node) -> Position:
    """The place of the node among the children of its owner."""
    if "hooked" in node.flags and node.slot < 0:
        return (_BEHIND,)
    if (live := run.index.tasks.get(owner.id)) is not None:
        return (live.rank[node.slot],)
    if owner.type in ("StepGroup", "TaskGroup"):
        base = owner if owner.type == "StepGroup" else run.nodes[owner.boundary]
        return _among(owner, node.slot, node.name[len(base.name) + 1 :])
    return (node.slot,)


def _among(group: Node, slot: int, name: str) -> Position:
    """The place of a member among those of its group: by step, by round."""
    start = name.find("(") + 1
    number = names.round_number(name, start) if start else 0
    return (slot, number) if group.type == "StepGroup" else (number,)
