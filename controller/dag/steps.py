"""Steps: groups one after the other, the members of a group side by side."""

from collections.abc import Iterator

from controller.dag import bodies, daemons, fan, names, outbound, outputs, scope
from controller.dag.execute import Fault, fault
from controller.dag.library import Definition
from controller.dag.loops import BadLoop
from controller.dag.model import Json, Node
from controller.dag.phase import BAD, FULFILLED
from controller.dag.state import Member
from controller.dag.turn import Turn, new_node


def start(turn: Turn, node: Node, definition: Definition) -> None:
    turn.then(next_group, node)


def resume(turn: Turn, node: Node) -> None:
    """Go on where a pause or a restart left the steps."""
    around = scope.frame(turn.run, node.id)
    if around.group == 0:
        next_group(turn, node)
        return
    group = turn.run.get(names.group_name(node.name, around.group - 1))
    if group.phase in FULFILLED:
        group_ended(turn, node, group)


FAILED_FAST = "template has failed or errored children and failFast enabled"


def fail_fast(turn: Turn, node: Node) -> None:
    """A steps or dag node with failFast ends at once, its open group too."""
    if node.type == "Steps":
        index = scope.frame(turn.run, node.id).group - 1
        group = turn.run.get(names.group_name(node.name, index))
        if group.phase not in FULFILLED:
            turn.move(group, "Failed", FAILED_FAST)
    turn.move(node, "Failed", FAILED_FAST)
    turn.settle(node)


def hook_failed(turn: Turn, node: Node, message: str) -> None:
    """A hook of the node cannot be evaluated: the group is in error, or the dag."""
    owner = turn.run.nodes[node.owner]
    if owner.type == "StepGroup":
        _end_group(turn, owner, "Error", message)
    else:
        fault(turn, turn.run.nodes[node.boundary], message)


def next_group(turn: Turn, node: Node) -> None:
    """Open the next group, or end the steps when there is none."""
    around = scope.frame(turn.run, node.id)
    index = around.group
    if index >= len(around.definition.template["steps"]):
        _succeed(turn, node)
        return
    group = new_node(
        turn.run, names.group_name(node.name, index), type="StepGroup", phase="Running", owner=node.id,
        boundary=node.id, slot=index,
    )  # fmt: skip
    turn.add(group, _before(turn, node, index))
    around.group = index + 1
    try:
        members = members_of(around, index)
    except bodies.BadItems as error:
        _end_group(turn, group, "Error", str(error))
        return
    except bodies.Unready as error:
        _end_group(turn, group, "Error", f"failed to resolve references: {error}")
        return
    fan.open_fan(turn, group, members)
    fan.launch(turn, group)


def members_of(around: scope.Frame, index: int) -> Iterator[Member]:
    """Everything the group will start. Raises Unready."""
    steps = around.definition.template["steps"][index]
    parts = [bodies.members(around, index, slot) for slot in range(len(steps))]
    names_of = [step["name"] for step in steps]
    empty = (
        part if isinstance(part, Member) else _or_empty(part, slot, steps[slot])
        for slot, part in enumerate(parts)
    )
    return fan.chained(list(empty)) if names_of else iter(())


def _or_empty(rounds: Iterator[Member], slot: int, step: Json) -> Iterator[Member]:
    """The rounds, or one skipped step when there are none."""
    member = None
    for member in rounds:
        yield member
    if member is None:
        yield Member(slot, step["name"], step, skip=bodies.EMPTY)


def _before(turn: Turn, node: Node, index: int) -> list[str]:
    """What the group hangs on: the steps node, or the ends of the group before."""
    if index == 0:
        return [node.id]
    previous = turn.run.get(names.group_name(node.name, index - 1))
    return outbound.of_nodes(turn.run, previous.children or ()) or [previous.id]


def complete(turn: Turn, group: Node) -> None:
    """All children have ended: the group fails with the first that was not tolerated."""
    steps = scope.frame(turn.run, group.boundary).definition.template["steps"][group.slot]
    for child_id in group.children or ():
        child = turn.run.nodes[child_id]
        if child.phase in BAD and not continues_on(steps[child.slot], child.phase):
            _end_group(turn, group, "Failed", f"child '{child.id}' failed")
            return
    turn.move(group, "Succeeded")
    turn.settle(group)


def continues_on(holder: Json, phase: str) -> bool:
    """Whether the step or task tolerates ending in this phase."""
    allowed = holder.get("continueOn") or {}
    return bool(allowed.get("error" if phase == "Error" else "failed"))


def faulted(turn: Turn, group: Node, problem: Fault) -> bool:
    """A child could not be executed: the group is in error at once, unless the recursion is just too deep."""
    if problem.too_deep:
        return False
    child = problem.node
    if problem.broken_body:
        _end_group(turn, group, "Error", str(problem))
    elif turn.is_timeout(child):
        _end_group(turn, group, "Failed", "timeout")
    else:
        _end_group(
            turn,
            group,
            "Error",
            f"step group deemed errored due to child {child.name} error: {problem}",
        )
    return True


def _end_group(turn: Turn, group: Node, phase: str, message: str) -> None:
    turn.move(group, "Failed" if phase == "Failed" else "Error", message)
    turn.settle(group)


def group_ended(turn: Turn, node: Node, group: Node) -> None:
    """A group is over: on to the next, or the steps fail with its message."""
    if group.phase in BAD:
        end(turn, node, group)
        return
    try:
        scope.frame(turn.run, node.id).siblings.gather(group.slot)
    except BadLoop as error:
        fault(turn, node, str(error))
        return
    turn.then(next_group, node)


def end(turn: Turn, node: Node, group: Node) -> None:
    _close(turn, node, group)
    turn.move(node, "Failed", group.message)
    turn.settle(node)


def _succeed(turn: Turn, node: Node) -> None:
    around = scope.frame(turn.run, node.id)
    groups = around.group
    if groups:
        last = turn.run.get(names.group_name(node.name, groups - 1))
        _close(turn, node, last)
    try:
        left = outputs.of_template(around)
    except outputs.OutputFault as error:
        fault(turn, node, str(error))
        return
    turn.change(node, outputs=left)
    outputs.export(turn, around.definition, node)
    turn.move(node, "Succeeded")
    turn.settle(node)


def _close(turn: Turn, node: Node, last: Node) -> None:
    """Remember where the steps end; daemons started here end too."""
    ends = outbound.of_nodes(turn.run, last.children or ())
    turn.change(node, outbound=ends or None)
    daemons.end(turn, node.id)
