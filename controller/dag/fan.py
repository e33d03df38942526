"""Fan-out: the children of a step group or of a looped task, started as limits allow, counted as they end."""

from collections.abc import Iterator
from itertools import chain

from controller.dag import bodies, execute, scope
from controller.dag.execute import Blocked, Call, Fault
from controller.dag.library import TemplateMissing
from controller.dag.model import ImpossibleState, Node
from controller.dag.state import Fan, Member, first
from controller.dag.turn import Turn, new_node


def launch(turn: Turn, node: Node) -> None:
    """Start the members that may start; when the last has ended, tell the group."""
    fan = turn.run.index.fans.get(node.id)
    if fan is None:
        return
    while (member := first(fan)) is not None:
        if turn.postpone(node):
            return
        try:
            start_member(turn, node, member)
        except Blocked as limit:
            turn.block(str(limit), node)
            return
        except Fault as fault:
            if turn.rules.faulted[node.type](turn, node, fault):
                return
            turn.settle(fault.node)
        fan.ahead = None
        fan.open += 1
    if fan.open == 0:
        turn.rules.complete[node.type](turn, node)


def ended(turn: Turn, node: Node, child: Node) -> None:
    """One child is done, its hooks too."""
    fan = turn.run.index.fans.get(node.id)
    if fan is None:
        return
    if child.daemoned:
        if child.id in fan.up:
            return  # a hook of it has ended later
        fan.up.add(child.id)
    fan.open -= 1
    if fan.open < 0:
        raise ImpossibleState(f"{node.name}: {child.name} ended twice")
    if fan.open == 0 and fan.exhausted:
        turn.rules.complete[node.type](turn, node)


def start_member(turn: Turn, node: Node, member: Member) -> Node:
    """Create the child: skipped, in error, or running. Raises Blocked or Fault."""
    around = scope.frame(turn.run, node.boundary)
    name = child_name(node, member, around.node)
    if member.skip or member.error:
        child = turn.add(unstarted(turn, node, member, name), [node.id])
        if member.error and node.type == "StepGroup":
            raise Fault(child, member.error, broken_body=True)
        turn.settle(child)
        return child
    group = node.slot if node.type == "StepGroup" else 0
    call = Call(
        name=name, holder=member.body, scope=around.definition.inner_scope,
        site=bodies.site(around.definition, group, member.slot), owner=node.id, boundary=node.boundary,
        slot=member.slot, parents=[node.id], arguments=member.body.get("arguments") or {},
    )  # fmt: skip
    return execute.execute(turn, call)


def child_name(node: Node, member: Member, boundary: Node) -> str:
    base = node.name if node.type == "StepGroup" else boundary.name
    return f"{base}.{member.name}"


def unstarted(turn: Turn, node: Node, member: Member, name: str) -> Node:
    """A child that is skipped, or whose body is broken."""
    around = scope.frame(turn.run, node.boundary).definition
    group = node.slot if node.type == "StepGroup" else 0
    return new_node(
        turn.run, name, type="Skipped", phase="Error" if member.error else "Skipped", owner=node.id,
        boundary=node.boundary, slot=member.slot, message=member.error or member.skip,
        template=template_key(turn, around.inner_scope, member.body, bodies.site(around, group, member.slot)),
    )  # fmt: skip


def template_key(turn: Turn, inner_scope: str, holder: dict[str, object], site: str) -> str:
    """The key of the holder's template, or nothing when there is no such template."""
    try:
        return turn.run.library.find(inner_scope, holder, site).key
    except TemplateMissing:
        return ""


def open_fan(turn: Turn, node: Node, members: Iterator[Member]) -> None:
    turn.run.index.fans[node.id] = Fan(members)


def chained(parts: list[Iterator[Member] | Member]) -> Iterator[Member]:
    return chain.from_iterable((part,) if isinstance(part, Member) else part for part in parts)
