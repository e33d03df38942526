"""Nodes as changes of the history: what is worth writing of a new one, and what goes with one that leaves."""

from operator import attrgetter
from typing import Any

from controller.dag.model import Node
from controller.dag.state import Run


def born(node: Node) -> dict[str, Any]:
    """The fields of a new node that are not what they usually are, its children apart."""
    fields = zip(NODE_FIELDS, _values(node), _USUAL, strict=True)
    return {name: value for name, value, usual in fields if value is not None and value != usual}


NODE_FIELDS = tuple(f for f in Node.__struct_fields__ if f not in {"id", "children"})
_values = attrgetter(*NODE_FIELDS)
_USUAL = _values(Node(id="", name="", type="Pod", phase=""))


def purge(run: Run, gone: set[str]) -> None:
    """Remove ids of dropped nodes from every list that mentions them."""
    for node in run.nodes.values():
        if node.children:
            node.children = [c for c in node.children if c not in gone] or None
        if node.outbound:
            node.outbound = [c for c in node.outbound if c not in gone] or None
