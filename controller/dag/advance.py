"""One step of a run: facts in, changes and effects out. Pure: the same run, inputs and moment give the same answer."""

from collections.abc import Sequence
from datetime import datetime

from controller.dag import (
    dag_template,
    deadlines,
    ending,
    execute,
    fan,
    fold,
    gates,
    hooks,
    leaf,
    opening,
    operations,
    retry_strategy,
    steps,
    suspend,
    variables,
)  # fmt: skip
from controller.dag.model import (
    Advance,
    Begin,
    Input,
    Locked,
    Node,
    Operation,
    Recalled,
    Reported,
    Tick,
)  # fmt: skip
from controller.dag.phase import FULFILLED
from controller.dag.state import Run
from controller.dag.turn import Rules, Turn


def advance(run: Run, inputs: Sequence[Input], now: datetime) -> Advance:
    """Take in what happened, follow it up, and say what changed and what is to be done.

    An Operation the run cannot honour raises OperationRefused before anything changes, so send it alone. The cost is
    that of the nodes affected, not of the nodes there are.
    """
    turn = Turn(run, now, RULES)
    variables.refresh(run, now)
    for given in inputs:
        _take(turn, given)
    deadlines.fire(turn)
    if turn.replan:
        turn.agenda.clear()
        look_everywhere(turn)
    elif not run.suspended:
        follow(turn)
    deadlines.next_wake(turn)
    return Advance(turn.changes(), turn.effects)


def _take(turn: Turn, given: Input) -> None:
    match given:
        case Begin():
            opening.begin(turn, given)
        case Reported(report=report):
            leaf.report(turn, report)
        case Operation():
            operations.apply(turn, given)
        case Locked(holder=""):
            opening.locked(turn, given)
        case Locked():
            gates.locked(turn, given)
        case Recalled():
            gates.recalled(turn, given)
        case Tick():
            pass


def follow(turn: Turn) -> None:
    """Everything that follows from the facts, the end of the run included."""
    turn.run_agenda()
    before = -1
    while before != len(turn.run.nodes) and turn.run.phase == "Running":
        before = len(turn.run.nodes)
        ending.watch(turn)
        turn.run_agenda()
    if turn.run.phase == "Running" and not turn.run.seen_status:
        turn.change_run(seen_status="Running")


def replan(run: Run, now: datetime) -> Advance:
    """Look at every node that is not over, as after a restart or a manual retry. A run in order is not changed."""
    turn = Turn(run, now, RULES)
    if not run.suspended:
        look_everywhere(turn)
    deadlines.next_wake(turn)
    return Advance(turn.changes(), turn.effects)


def look_everywhere(turn: Turn) -> None:
    """Derive the index anew and put everything that may have something to do on the agenda."""
    fold.index(turn.run)
    variables.refresh(turn.run, turn.now)
    if turn.run.phase == "Pending":
        opening.ask(turn)
        return
    for node in list(turn.run.nodes.values()):
        if turn.run.is_adrift(node) or turn.run.is_held_back(node):
            continue
        if node.id in turn.run.index.gated:
            turn.then(RULES.gated, node)
        elif node.phase not in FULFILLED and node.type in RULES.visit:
            turn.then(RULES.visit[node.type], node)
        elif _awaited(turn.run, node):
            turn.settle(node)
    follow(turn)


def _awaited(run: Run, node: Node) -> bool:
    """Whether the node ended while nobody was looking: its owner goes on, or a hook of it is missing."""
    owner = run.nodes.get(node.owner)
    return (
        node.phase in FULFILLED
        and owner is not None
        and owner.phase not in FULFILLED
        and not (fold.counted(run, owner, node))
    )


RULES = Rules(
    starters={
        **dict.fromkeys(
            ("container", "containerSet", "script", "resource", "data", "http", "plugin"),
            leaf.start,
        ),
        "steps": steps.start,
        "dag": dag_template.start,
        "suspend": suspend.start,
        "retry": retry_strategy.start,
        "gate": gates.close,
    },
    ended={
        "StepGroup": fan.ended,
        "TaskGroup": fan.ended,
        "Steps": steps.group_ended,
        "DAG": dag_template.task_ended,
        "Retry": retry_strategy.attempt_ended,
        "hook": hooks.hook_ended,
    },
    complete={"StepGroup": steps.complete, "TaskGroup": dag_template.loop_ended},
    faulted={"StepGroup": steps.faulted, "TaskGroup": dag_template.round_faulted},
    visit={
        "StepGroup": fan.launch,
        "TaskGroup": fan.launch,
        "DAG": dag_template.resume,
        "Steps": steps.resume,
        "Retry": retry_strategy.consider,
    },
    gated=gates.look,
    settled=hooks.settled,
    progressed=hooks.progressed,
    fail_fast=steps.fail_fast,
    hook_failed=steps.hook_failed,
    root_ended=ending.root_ended,
)

__all__ = ["RULES", "advance", "execute", "replan"]
