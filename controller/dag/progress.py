"""How far a run is: `done/all` leaves, of the whole and of every group."""

from collections.abc import Iterable

from controller.dag.model import Node
from controller.dag.state import Run

COUNTED = frozenset({"Pod", "HTTP", "Plugin", "Container", "Suspend"})
_WHOLE = frozenset({"Succeeded", "Skipped", "Omitted"})

Fraction = tuple[int, int]


def parse(text: str) -> Fraction | None:
    """`N/M` with 0 <= N <= M and M > 0, else None."""
    done, slash, total = text.lstrip().partition("/")
    if not slash or not done.isdigit() or not total.isdigit():
        return None
    pair = int(done), int(total)
    return pair if pair[1] > 0 and pair[0] <= pair[1] else None


def of_leaf(node: Node) -> Fraction:
    """A leaf's own progress; one that succeeded is complete whatever it said."""
    done, total = parse(node.progress) or (0, 1)
    return (total, total) if node.phase in _WHOLE else (done, total)


def text(pair: Fraction) -> str:
    return f"{pair[0]}/{pair[1]}"


def total(nodes: Iterable[Node]) -> Fraction:
    """The sum over the leaves among the nodes."""
    pairs = [of_leaf(node) for node in nodes if node.type in COUNTED]
    return sum(done for done, _ in pairs), sum(all_ for _, all_ in pairs)


def of_run(run: Run) -> str:
    """The whole run's progress, counted as it went."""
    return text((run.index.done, run.index.total))


def of_group(run: Run, node: Node) -> str:
    """The sum over all leaves that can be reached from the group, each once; empty when there are none."""
    seen, stack, found = {node.id}, [node.id], []
    while stack:
        current = run.nodes[stack.pop()]
        found.append(current)
        fresh = [c for c in current.children or () if c not in seen and c in run.nodes]
        seen.update(fresh)
        stack.extend(fresh)
    pair = total(found)
    return text(pair) if pair[1] else ""
