"""Where the arrows of the picture start: the nodes at the end of a node's own subtree."""

from collections.abc import Iterable

from controller.dag.model import Node
from controller.dag.state import Run


def of_node(run: Run, node: Node) -> list[str]:
    """The ids of the nodes that what follows `node` hangs on."""
    found: list[str] = []
    stack = [node]
    while stack:
        node = stack.pop()
        if node.type in ("TaskGroup", "Pod", "Container"):
            inside = _inside(run, node)
            stack.extend(reversed(inside)) if inside else found.append(node.id)
        elif node.type == "Retry" and node.children:
            found.append(node.children[-1])
        elif node.type in ("Steps", "DAG") and not _was_recalled(node):
            stack.extend(run.nodes[i] for i in reversed(node.outbound or ()) if i in run.nodes)
        else:
            found.append(node.id)
    return list(dict.fromkeys(found))


def _was_recalled(node: Node) -> bool:
    """Whether the cache had the node's outputs, so that nothing is inside."""
    return node.memo is not None and node.memo.hit


def _inside(run: Run, node: Node) -> list[Node]:
    """The rounds of a loop; a pod's containers with its hooks, when it has containers; those behind a container."""
    children = [run.nodes[c] for c in node.children or ()]
    if node.type == "Container":
        return [c for c in children if c.type == "Container"]
    is_group = node.type == "TaskGroup" or any(c.type == "Container" for c in children)
    return children if is_group else []


def of_nodes(run: Run, ids: Iterable[str]) -> list[str]:
    """The same for several nodes, each id once."""
    every = (out for i in ids if i in run.nodes for out in of_node(run, run.nodes[i]))
    return list(dict.fromkeys(every))
