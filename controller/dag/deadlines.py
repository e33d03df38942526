"""Time: what is due now, and when to be woken next. The timers are an index over facts; a stale one does nothing."""

import heapq

from controller.dag import execute, leaf, retry_strategy, suspend
from controller.dag.model import Node, WakeAt
from controller.dag.phase import FULFILLED
from controller.dag.state import Run
from controller.dag.turn import Turn

STEP_LATE = "Step exceeded its deadline"


def fire(turn: Turn) -> None:
    """Do what is due."""
    timers = turn.run.index.timers
    while timers and timers[0][0] <= turn.now:
        _, kind, node_id = heapq.heappop(timers)
        node = turn.run.nodes.get(node_id)
        if kind == "deadline":
            expire(turn)
        elif node is not None and node.phase not in FULFILLED:
            _due(turn, kind, node)


def _due(turn: Turn, kind: str, node: Node) -> None:
    if kind == "retry":
        turn.then(retry_strategy.consider, node)
    elif kind == "duration":
        suspend.time_is_up(turn, node)
    elif node.phase == "Pending":
        _timed_out(turn, node)


def _timed_out(turn: Turn, node: Node) -> None:
    """A leaf waited too long to be running."""
    if not node.gate:
        turn.stop_task(node)
    turn.move(node, "Failed", "timeout")
    turn.faults[node.id] = "timeout"
    turn.timeouts.add(node.id)
    turn.settle(node)


def expire(turn: Turn) -> None:
    """The workflow's deadline has passed: every step but those of exit handlers fails."""
    for node in _unfinished(turn.run):
        if node.id in turn.run.index.leaves:
            turn.stop_task(node)
        turn.move(node, "Failed", STEP_LATE)
        turn.settle(node)
    hurry_retries(turn)


def hurry_retries(turn: Turn) -> None:
    """Whoever waits for a backoff looks again now."""
    for _, kind, node_id in turn.run.index.timers:
        node = turn.run.nodes.get(node_id)
        if kind == "retry" and node is not None and node.phase not in FULFILLED:
            turn.then(turn.rules.visit["Retry"], node)


def _unfinished(run: Run) -> list[Node]:
    ids = [*run.index.leaves, *run.index.suspended, *run.index.gated]
    return [n for i in ids if not execute.is_exit((n := run.nodes[i]).name) and not n.daemoned]


def next_wake(turn: Turn) -> None:
    """Ask to be woken at the earliest timer that still means something, or now if not all could be started."""
    index = turn.run.index
    if turn.has_more and turn.run.phase == "Running" and not turn.run.suspended:
        index.woken = turn.now
        turn.effects.append(WakeAt(turn.now))
        return
    while index.timers and _is_stale(turn.run, index.timers[0]):
        heapq.heappop(index.timers)
    earliest = index.timers[0][0] if index.timers else None
    if earliest is not None and earliest != index.woken:
        turn.effects.append(WakeAt(earliest))
    index.woken = earliest


def _is_stale(run: Run, timer: tuple[object, str, str]) -> bool:
    if timer[1] == "deadline":
        return run.phase != "Running"
    node = run.nodes.get(timer[2])
    return (
        node is None
        or node.phase in FULFILLED
        or (timer[1] == "timeout" and node.phase != "Pending")
    )


def enter(run: Run) -> None:
    """All timers from the facts, for a run that comes back from its history."""
    if run.deadline and run.phase == "Running":
        run.index.at(run.deadline, "deadline", "")
    for node_id in (*run.index.leaves, *run.index.gated):
        node = run.nodes[node_id]
        limit = (
            leaf.timeout_of(run, node, run.definition(node)) if node.phase == "Pending" else None
        )
        if limit and node.started:
            run.index.at(node.started + limit, "timeout", node_id)
    for node_id in run.index.suspended:
        node = run.nodes[node_id]
        length = suspend.duration_of(run, node, run.definition(node))
        if length is not None and node.started:
            run.index.at(node.started + length, "duration", node_id)
