"""Dag templates: a task starts when the last of its needs is done; counts, not scans."""

import heapq
from collections.abc import Iterator

from bireme.lang import depends
from bireme.lang.errors import LangError
from controller.dag import (
    assess,
    bodies,
    daemons,
    execute,
    fan,
    outbound,
    outputs,
    scope,
    steps,
    substitute,
)
from controller.dag.execute import Blocked, Call, Fault
from controller.dag.graph import Graph
from controller.dag.library import Definition
from controller.dag.model import Json, Node
from controller.dag.phase import BAD
from controller.dag.state import Member, Run, Tasks
from controller.dag.turn import Turn, new_node

OMITTED = "omitted: depends condition not met"
_WELL = frozenset({"Succeeded", "Skipped"})


def start(turn: Turn, node: Node, definition: Definition) -> None:
    turn.then(open_tasks, node)


def open_tasks(turn: Turn, node: Node) -> None:
    """Start every task that needs nothing."""
    around = scope.frame(turn.run, node.id)
    graph = around.definition.graph
    if graph.problem:
        execute.fault(turn, node, graph.problem)
        return
    try:
        named = targets(around)
    except LangError as error:
        execute.fault(turn, node, str(error))
        return
    wanted, (order, rank) = graph.closure(named), graph.walk(named)
    unmet = [len(needed) for needed in graph.needs]
    live = Tasks(unmet=unmet, wanted=wanted, open=len(wanted), order=order, rank=rank)
    turn.run.index.tasks[node.id] = live
    live.fresh.extend(i for i, needed in enumerate(graph.needs) if not needed and i in wanted)
    _offer_all(turn, node)
    _maybe_end(turn, node)


def resume(turn: Turn, node: Node) -> None:
    """Go on where a limit, a pause or a restart left the dag."""
    if node.id not in turn.run.index.tasks:
        open_tasks(turn, node)
        return
    _offer_all(turn, node)
    start_ready(turn, node)
    _maybe_end(turn, node)


def targets(around: scope.Frame) -> tuple[int, ...]:
    """The tasks the dag is run for. Raises LangError for one that does not exist."""
    graph = around.definition.graph
    text = around.definition.template["dag"].get("target") or ""
    if not text:
        return graph.leaves
    named = substitute.text(text, around.scope).split()
    missing = [name for name in named if name not in graph.index]
    if missing:
        raise LangError(f"target '{missing[0]}' is not defined")
    return tuple(graph.index[name] for name in named)


def offer(turn: Turn, node: Node, slot: int) -> None:
    """A task whose needs are all done: start it, or queue it."""
    turn.run.index.tasks[node.id].fresh.append(slot)
    _offer_all(turn, node)


def _offer_all(turn: Turn, node: Node) -> None:
    """Look at the tasks whose needs are all done, as many as one advance may."""
    live = turn.run.index.tasks.get(node.id)
    while live and live.fresh and not turn.postpone(node):
        _offer(turn, node, live, live.fresh.popleft())


def _offer(turn: Turn, node: Node, live: Tasks, slot: int) -> None:
    """Start the task, or queue it behind those that wait for a place. One that will not run needs no place."""
    rank = live.rank[slot]
    if not live.ready:
        live.ready.append(rank)
        start_ready(turn, node)
        return
    turn.looked()
    if _start_task(turn, node, slot, run=False):
        heapq.heappush(live.ready, rank)
        if live.ready[0] == rank:
            turn.queue(node)


def start_ready(turn: Turn, node: Node) -> None:
    """Start the tasks whose needs are all done, as far as limits allow."""
    live = turn.run.index.tasks.get(node.id)
    while live and live.ready and not turn.postpone(node):
        try:
            _start_task(turn, node, live.order[live.ready[0]], run=True)
        except Blocked as limit:
            turn.block(str(limit), node)
            return
        heapq.heappop(live.ready)
        if live.ready and execute.must_wait(turn, node.id):
            turn.queue(node)
            return


def _start_task(turn: Turn, node: Node, slot: int, *, run: bool) -> bool:
    """Omit, skip, expand or execute one task; without `run` all but the last. Whether it needs a place to run.

    Raises Blocked. A loop needs no place itself: its rounds do.
    """
    around = scope.frame(turn.run, node.id)
    graph = around.definition.graph
    task = graph.tasks[slot]
    try:
        if not condition_met(turn, node, graph, slot):
            return _add_unstarted(turn, node, slot, task, phase="Omitted", message=OMITTED)
        found = bodies.members(around, 0, slot)
    except (LangError, bodies.Unready) as error:
        return _add_unstarted(turn, node, slot, task, phase="Error", message=str(error))
    return _start_found(turn, node, slot, found, run=run)


def _start_found(
    turn: Turn, node: Node, slot: int, found: Iterator[Member] | Member, *, run: bool
) -> bool:
    task = scope.frame(turn.run, node.id).definition.graph.tasks[slot]
    if isinstance(found, Member):
        if found.skip:
            return _add_unstarted(turn, node, slot, task, phase="Skipped", message=found.skip)
        if run:
            _start_plain(turn, node, found)
        return True
    first = next(found, None)
    if first is None:
        return _add_unstarted(turn, node, slot, task, phase="Skipped", message=bodies.EMPTY)
    _start_loop(turn, node, slot, task, fan.chained([first, found]))
    return False


def _start_plain(turn: Turn, node: Node, member: Member) -> None:
    around = scope.frame(turn.run, node.id)
    call = Call(
        name=f"{node.name}.{member.name}", holder=member.body, scope=around.definition.inner_scope,
        site=bodies.site(around.definition, 0, member.slot), owner=node.id, boundary=node.id, slot=member.slot,
        parents=parents_of(turn, node, member.slot), arguments=member.body.get("arguments") or {},
    )  # fmt: skip
    try:
        execute.execute(turn, call)
    except Fault as fault:
        child = fault.node
        turn.change(child, message=errored(child, str(fault)))
        turn.settle(child)


def errored(child: Node, message: str) -> str:
    return f"task '{child.name}' errored: {message}"


def _start_loop(turn: Turn, node: Node, slot: int, task: Json, rounds: Iterator[Member]) -> None:
    group = new_node(
        turn.run, f"{node.name}.{task['name']}", type="TaskGroup", phase="Running", owner=node.id, boundary=node.id,
        slot=slot, template=_template_key(turn, node, slot, task),
    )  # fmt: skip
    turn.add(group, parents_of(turn, node, slot))
    fan.open_fan(turn, group, rounds)
    turn.then(fan.launch, group)
    turn.progressed(group)


def _add_unstarted(
    turn: Turn, node: Node, slot: int, task: Json, *, phase: str, message: str
) -> bool:
    """A node for a task that does not run; always False, because it needs no place."""
    child = new_node(
        turn.run, f"{node.name}.{task['name']}", type="Skipped", phase=phase, owner=node.id, boundary=node.id,
        slot=slot, message=message, template=_template_key(turn, node, slot, task),
    )  # fmt: skip
    turn.add(child, parents_of(turn, node, slot))
    turn.settle(child)
    return False


def _template_key(turn: Turn, node: Node, slot: int, task: Json) -> str:
    definition = scope.frame(turn.run, node.id).definition
    return fan.template_key(turn, definition.inner_scope, task, bodies.site(definition, 0, slot))


def parents_of(turn: Turn, node: Node, slot: int) -> list[str]:
    """The ends of everything the task needs, or the dag itself."""
    graph = scope.frame(turn.run, node.id).definition.graph
    needed = [found for j in graph.needs[slot] if (found := task_node(turn, node, graph, j))]
    ends = (end for need in needed for end in _ends(turn.run, need))
    return list(dict.fromkeys(ends)) or [node.id]


def _ends(run: Run, need: Node) -> list[str]:
    """What follows a task hangs on its ends, and on what went wrong in it where they do not show that.

    A task that is omitted has the phase of what it hangs on: else a dag would succeed whose first task broke off.
    """
    ends = outbound.of_node(run, need)
    if need.phase not in BAD or not all(run.nodes[i].phase in _WELL for i in ends):
        return ends
    rounds = [run.nodes[c] for c in need.children or ()] if need.type == "TaskGroup" else [need]
    return [*ends, *(scope.last_attempt(run, one).id for one in rounds if one.phase in BAD)]


def task_node(turn: Turn, node: Node, graph: Graph, slot: int) -> Node | None:
    return assess.task_node(turn.run, node, graph.tasks[slot]["name"])


def condition_met(turn: Turn, node: Node, graph: Graph, slot: int) -> bool:
    """Whether what the task depends on came out as it wants."""
    parsed = graph.conditions.get(slot)
    if parsed is None:
        return all(_plainly_met(turn, node, graph, j) for j in graph.needs[slot])
    results = {
        graph.tasks[j]["name"]: _results(turn, found)
        for j in graph.needs[slot]
        if (found := task_node(turn, node, graph, j))
    }
    tolerated = {
        t["name"]: t.get("continueOn") for t in (graph.tasks[j] for j in graph.needs[slot])
    }
    return depends.evaluate(parsed, results, tolerated)


def _plainly_met(turn: Turn, node: Node, graph: Graph, slot: int) -> bool:
    found = task_node(turn, node, graph, slot)
    if found is None:
        return False
    if found.phase in BAD:
        return steps.continues_on(graph.tasks[slot], found.phase)
    return found.phase in ("Succeeded", "Skipped") or found.daemoned


def _results(turn: Turn, found: Node) -> depends.TaskResults:
    children = (
        [turn.run.nodes[c].phase for c in found.children or ()] if found.type == "TaskGroup" else []
    )
    return depends.TaskResults(
        succeeded=found.phase == "Succeeded",
        failed=found.phase == "Failed",
        errored=found.phase == "Error",
        skipped=found.phase == "Skipped",
        omitted=found.phase == "Omitted",
        daemoned=found.daemoned and found.phase != "Pending",
        any_succeeded="Succeeded" in children,
        all_failed=bool(children) and all(phase == "Failed" for phase in children),
    )


def task_ended(turn: Turn, node: Node, child: Node) -> None:
    """A task and its hooks are done: whoever waited for it alone may start."""
    live = turn.run.index.tasks.get(node.id)
    if live is None:
        return
    if child.id in turn.faults:
        turn.change(child, message=errored(child, turn.faults[child.id]))
    if child.daemoned:
        if child.slot in live.up:
            return  # a hook of it has ended later
        live.up.add(child.slot)
    live.open -= 1
    graph = scope.frame(turn.run, node.id).definition.graph
    for dependent in graph.dependents[child.slot]:
        live.unmet[dependent] -= 1
        made = child.daemoned and task_node(turn, node, graph, dependent) is not None
        if live.unmet[dependent] == 0 and dependent in live.wanted and not made:
            offer(turn, node, dependent)
    _maybe_end(turn, node)


def _maybe_end(turn: Turn, node: Node) -> None:
    live = turn.run.index.tasks.get(node.id)
    if live is not None and live.open == 0:
        _end(turn, node)


def _end(turn: Turn, node: Node) -> None:
    around = scope.frame(turn.run, node.id)
    wanted = targets(around)
    phase = assess.dag_phase(turn.run, node, around.definition, wanted)
    graph = around.definition.graph
    ends = outbound.of_nodes(
        turn.run, [n.id for i in wanted if (n := task_node(turn, node, graph, i))]
    )
    turn.change(node, outbound=ends or None)
    daemons.end(turn, node.id)
    if phase == "Succeeded":
        succeed(turn, node, around)
        return
    turn.move(node, phase)
    turn.settle(node)


def succeed(turn: Turn, node: Node, around: scope.Frame) -> None:
    try:
        left = outputs.of_template(around)
    except outputs.OutputFault as error:
        execute.fault(turn, node, str(error))
        return
    turn.change(node, outputs=left)
    outputs.export(turn, around.definition, node)
    turn.move(node, "Succeeded")
    turn.settle(node)


# --- looped tasks -----------------------------------------------------------------------------------------------


def round_faulted(turn: Turn, group: Node, problem: Fault) -> bool:
    """A round could not be executed: it is an error of its own, the others go on."""
    turn.change(problem.node, message=errored(problem.node, str(problem)))
    return False


def loop_ended(turn: Turn, group: Node) -> None:
    """All rounds are done: the group takes the phase of the last one that went wrong."""
    children = (turn.run.nodes[c] for c in group.children or ())
    bad = [c.phase for c in children if c.phase in BAD and "hooked" not in c.flags]
    turn.move(group, bad[-1] if bad else "Succeeded")
    turn.settle(group)
