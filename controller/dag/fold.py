"""From history to run: apply changes, derive the index, say which tasks are out."""

from collections.abc import Iterator, Sequence
from operator import attrgetter

from msgspec import UNSET

from controller.dag import (
    assess,
    bodies,
    dag_template,
    deadlines,
    hooks,
    leaf,
    scope,
    steps,
    variables,
)
from controller.dag.model import Change, Node, NodeChanged, NodesRemoved, RunChanged
from controller.dag.patches import purge
from controller.dag.phase import BAD, FULFILLED
from controller.dag.state import Fan, Index, Member, Run, Tasks
from controller.dag.tracking import LEAVES, counts_as_bad, tally, track
from executor.model import Task


def fold(run: Run, changes: Sequence[Change]) -> None:
    """Apply recorded changes to the facts. Call `index` once all of them are in."""
    for change in changes:
        match change:
            case NodeChanged():
                _apply_node(run, change)
            case NodesRemoved(ids=ids):
                for node_id in ids:
                    run.nodes.pop(node_id, None)
                purge(run, set(ids))
            case RunChanged():
                _apply_run(run, change)


_PATCHED = tuple(f for f in NodeChanged.__struct_fields__ if f not in {"id", "edges"})
_patched = attrgetter(*_PATCHED)


def _apply_node(run: Run, change: NodeChanged) -> None:
    node = run.nodes.get(change.id)
    if node is None:
        node = run.nodes[change.id] = Node(id=change.id, name="", type="Pod", phase="")
    for field, value in zip(_PATCHED, _patched(change), strict=True):
        if value is not UNSET:
            setattr(node, field, value)
    if change.name is not UNSET:
        run.remember(change.name, change.id)
    if change.edges is not UNSET:
        node.children = [*(node.children or ()), *change.edges]


def _apply_run(run: Run, change: RunChanged) -> None:
    for field in RunChanged.__struct_fields__:
        value = getattr(change, field)
        if value is not UNSET:
            setattr(run, field, value)


# --- the index --------------------------------------------------------------------------------------------------


def index(run: Run) -> None:
    """Derive everything that is not a fact."""
    run.index = Index()
    if run.phase:
        try:
            variables.rebuild(run)
        except variables.BadParameters:
            run.variables.clear()
    for node in run.nodes.values():
        _enter(run, node)
    for node in list(run.nodes.values()):
        _enter_group(run, node)
    deadlines.enter(run)


def _enter(run: Run, node: Node) -> None:
    track(run, node)
    tally(run, node, 1)
    boundary = run.nodes.get(node.boundary)
    if node.phase in BAD and counts_as_bad(node) and boundary and boundary.phase not in FULFILLED:
        run.index.bad[node.boundary] = run.index.bad.get(node.boundary, 0) + 1
    if node.daemoned and node.type in LEAVES:
        run.index.daemons[node.id] = None


def _enter_group(run: Run, node: Node) -> None:
    if node.phase in FULFILLED or node.gate or run.is_adrift(node):
        return
    if node.type == "StepGroup":
        around = scope.frame(run, node.boundary)
        run.index.fans[node.id] = _fan(run, node, steps.members_of(around, node.slot))
    elif node.type == "TaskGroup":
        run.index.fans[node.id] = _fan(run, node, _rounds(run, node))
    elif node.type == "DAG":
        run.index.tasks[node.id] = _tasks(run, node)


def _rounds(run: Run, node: Node) -> Iterator[Member]:
    found = bodies.members(scope.frame(run, node.boundary), 0, node.slot)
    return iter((found,)) if isinstance(found, Member) else found


def _missing(run: Run, node: Node, members: Iterator[Member]) -> Iterator[Member]:
    """The members that have no node yet."""
    base = node.name if node.type == "StepGroup" else run.nodes[node.boundary].name
    return (m for m in members if run.find(f"{base}.{m.name}") is None)


def _fan(run: Run, node: Node, members: Iterator[Member]) -> Fan:
    children = [run.nodes[c] for c in node.children or ()]
    made = [c for c in children if c.owner == node.id and "hooked" not in c.flags]
    done = [c for c in made if counted(run, node, c)]
    return Fan(
        _missing(run, node, members),
        open=len(made) - len(done),
        up={c.id for c in done if c.daemoned},
    )


def counted(run: Run, owner: Node, child: Node) -> bool:
    """Whether the owner need not wait for this child any more."""
    return hooks.is_done(run, child)


def _tasks(run: Run, node: Node) -> Tasks:
    around = scope.frame(run, node.id)
    graph = around.definition.graph
    targets = dag_template.targets(around)
    wanted, (order, rank) = graph.closure(targets), graph.walk(targets)
    nodes = [assess.task_node(run, node, task["name"]) for task in graph.tasks]
    done = [n is not None and counted(run, node, n) for n in nodes]
    unmet = [sum(1 for j in needed if not done[j]) for needed in graph.needs]
    left = sum(1 for i in wanted if not done[i])
    live = Tasks(unmet=unmet, wanted=wanted, open=left, order=order, rank=rank)
    live.up = {i for i, n in enumerate(nodes) if n is not None and n.daemoned and done[i]}
    # To be looked at, not to be started in their turn: those that will not run need no place.
    ready = [i for i in wanted if unmet[i] == 0 and nodes[i] is None]
    live.fresh.extend(sorted(ready, key=rank.__getitem__))
    return live


def pending_tasks(run: Run) -> list[Task]:
    """The tasks that were started, or should have been, and have not ended: what an executor must adopt."""
    if run.phase != "Running":
        return []
    leaves = (run.nodes[i] for i in run.index.leaves)
    return [leaf.task_of(run, node, run.definition(node)) for node in leaves]
