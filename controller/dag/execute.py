"""Starting a node: the prologue every template goes through, whatever its type."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bireme.lang.errors import LangError
from controller.dag import arguments, locks, memo, scope, substitute
from controller.dag.library import Definition, TemplateMissing
from controller.dag.model import Hold, Json, Memo, Node
from controller.dag.phase import Phase
from controller.dag.scope import Layered
from controller.dag.state import Run
from controller.dag.turn import Turn

MAX_DEPTH = 100
TOO_DEEP = (
    "Maximum recursion depth exceeded. "
    "See https://argo-workflows.readthedocs.io/en/latest/scaling/#maximum-recursion-depth"
)
_EXIT = re.compile(r"\.onExit(?=[.\[(]|$)")


class Blocked(Exception):
    """Starting now is not possible, because others come first or a limit is reached; nothing was created."""


class Fault(Exception):
    """The node could not be executed (it exists in phase Error); whoever started it decides what that means."""

    def __init__(
        self, node: Node, message: str, *, too_deep: bool = False, broken_body: bool = False
    ) -> None:
        super().__init__(message)
        self.node = node
        self.too_deep = too_deep
        self.broken_body = broken_body


@dataclass(slots=True)
class Call:
    """What to execute: a holder (step, task or hook, resolved) under a name, on behalf of an owner."""

    name: str
    holder: Json
    scope: str = ""
    site: str = ""
    owner: str = ""
    boundary: str = ""
    slot: int = -1
    flags: str = ""
    parents: Sequence[str] = ()
    arguments: Json = field(default_factory=dict)


def execute(turn: Turn, call: Call) -> Node:
    """Create the node and start it. Raises Blocked (nothing happened) or Fault (the node is in Error)."""
    return _execute(turn, call, limited=True)


def execute_now(turn: Turn, call: Call) -> Node:
    """The same without asking for a free place: hooks and exit handlers do not queue. Raises Fault."""
    return _execute(turn, call, limited=False)


def _execute(turn: Turn, call: Call, *, limited: bool) -> Node:
    run = turn.run
    if limited:
        check_turn(turn, call.boundary)
    node = Node(
        id=run.new_id(call.name), name=call.name, type="Skipped", phase="Error", owner=call.owner,
        boundary=call.boundary, slot=call.slot, flags=call.flags,
    )  # fmt: skip
    try:
        definition = run.library.find(call.scope, call.holder, call.site)
        node.template = definition.key
        _check_depth(turn, call)
        if definition.unreadable:
            raise LangError(definition.unreadable)
        arguments.process(run, definition, node, call.arguments)
        node.hold, node.memo = gates_of(turn.run, definition, node)
    except _FAULTS as error:
        node.message = str(error)
        turn.add(node, call.parents)
        raise Fault(node, node.message, too_deep=isinstance(error, _TooDeep)) from error
    if limited:
        check_limits(turn, call.boundary)
    start(turn, node, definition, call.parents)
    return node


def _check_depth(turn: Turn, call: Call) -> None:
    if call.boundary and scope.frame(turn.run, call.boundary).depth + 1 >= MAX_DEPTH:
        raise _TooDeep(TOO_DEEP)


class _TooDeep(Exception):
    pass


_FAULTS = (
    TemplateMissing, arguments.ArgumentFault, LangError, _TooDeep, locks.BadLocks, memo.BadMemo
)  # fmt: skip


def gates_of(run: Run, definition: Definition, node: Node) -> tuple[Hold | None, Memo | None]:
    """What the node has to wait for before it begins. Raises BadLocks, BadMemo or LangError."""
    if not definition.is_gated:
        return None, None
    around = Layered(scope.own_variables(run, node, definition), run.variables)
    settings = substitute.resolve(definition.settings, around)
    hold = locks.wanted(settings.get("synchronization"), run.source.namespace)
    return hold, memo.wanted(settings.get("memoize"))


def start(turn: Turn, node: Node, definition: Definition, parents: Sequence[str]) -> None:
    """Put the node into the tree and set it going, or have it wait for its locks and for the cache."""
    if (node.hold is None and node.memo is None) or not allowed(turn.run.shutdown, node.name):
        node.hold = node.memo = None
        set_going(turn, node, definition, parents)
        return
    node.gate = "lock"
    node.type, node.phase, node.message = definition.node_type, "Pending", ""
    turn.add(node, parents)
    turn.rules.starters["gate"](turn, node, definition)


def set_going(turn: Turn, node: Node, definition: Definition, parents: Sequence[str]) -> None:
    """Let the node begin, under a Retry node when there is a strategy."""
    if definition.retry is None:
        start_plain(turn, node, definition, parents)
        return
    turn.enter(node, parents, type="Retry", phase="Running", message="")
    turn.rules.starters["retry"](turn, node, definition)
    turn.progressed(node)


def start_plain(turn: Turn, node: Node, definition: Definition, parents: Sequence[str]) -> None:
    """Put the node into the tree under its template's own type and set it going."""
    if definition.is_pod and not allowed(turn.run.shutdown, node.name):
        node.type, node.phase = definition.node_type, "Failed"
        node.message = f"workflow shutdown with strategy: {turn.run.shutdown}"
        turn.add(node, parents)
        turn.settle(node)
        return
    phase: Phase = "Pending" if definition.is_pod else "Running"
    turn.enter(node, parents, type=definition.node_type, phase=phase, message="")
    turn.rules.starters[definition.kind](turn, node, definition)
    turn.progressed(node)


def is_exit(name: str) -> bool:
    """Whether the node belongs to an exit handler, which survives a stop."""
    return _EXIT.search(name) is not None


def allowed(shutdown: str, name: str) -> bool:
    """Whether a node may run although the workflow is shutting down."""
    return not shutdown or (shutdown == "Stop" and is_exit(name))


def check_turn(turn: Turn, boundary: str) -> None:
    """Raise Blocked when it is not this node's turn to take a place; when it is, that was its turn."""
    if must_wait(turn, boundary):
        raise Blocked("turn")
    turn.is_called = False


def must_wait(turn: Turn, boundary: str) -> bool:
    """Whether places are few here and others may come first: they go by the order of the tree.

    Who is called may start one node, and waits for its turn again.
    """
    if turn.is_called or not boundary:
        return False
    if turn.run.spec.get("parallelism") is not None:
        return True
    return scope.frame(turn.run, boundary).definition.parallelism is not None


def check_limits(turn: Turn, boundary: str) -> None:
    """Raise Blocked when the workflow or the template around is at its limit, or is failing fast."""
    run, index = turn.run, turn.run.index
    limit = run.spec.get("parallelism")
    if limit is not None and index.active_pods.get("", 0) >= limit:
        raise Blocked("workflow")
    if not boundary:
        return
    around = scope.frame(run, boundary).definition
    if around.fail_fast and index.bad.get(boundary, 0):
        raise Blocked("fail fast")
    if around.parallelism is not None and index.active.get(boundary, 0) >= around.parallelism:
        raise Blocked("template")


def fault(turn: Turn, node: Node, message: str) -> None:
    """A node under way cannot go on: it ends in Error, and its owner is told that it was no ordinary failure."""
    turn.move(node, "Error", message)
    turn.faults[node.id] = message
    turn.settle(node)
