"""Gates: before a node begins it holds its locks, and the cache has been asked for its outputs.

What waits is a Pending node that takes no place. Asking is an effect, the answer an input; asking again (after a
restart, after a pause) is harmless, and an answer that nobody waits for changes nothing.
"""

from bireme.lang.errors import LangError
from controller.dag import execute, leaf, outputs
from controller.dag.library import Definition
from controller.dag.model import Acquire, Hold, Locked, Node, Recall, Recalled, Release
from controller.dag.turn import LEFT_OVER, Turn


def close(turn: Turn, node: Node, definition: Definition) -> None:
    """The node is in the tree and has not begun: ask for what it waits for."""
    try:
        limit = leaf.timeout_of(turn.run, node, definition)
    except LangError as error:
        execute.fault(turn, node, str(error))
        return
    if limit is not None:
        turn.wake(turn.now + limit, "timeout", node)
    look(turn, node)


def close_again(turn: Turn, node: Node) -> None:
    """A manual retry goes on inside the node: it needs its locks again. Attempts are under those of their Retry."""
    if not node.template or "retried" in node.flags:
        return
    hold, _ = execute.gates_of(turn.run, turn.run.definition(node), node)
    if hold is not None:
        turn.change(node, gate="lock", hold=hold)


def look(turn: Turn, node: Node) -> None:
    """Ask for what is missing, or let the node begin."""
    if turn.run.is_adrift(node):
        turn.move(node, "Failed", LEFT_OVER)
    elif node.gate == "lock" and node.hold is not None and not node.hold.held:
        turn.effects.append(Acquire(node.id, node.hold.locks))
    elif node.gate == "lock" and node.memo is not None and node.id not in turn.missed:
        turn.change(node, gate="memo")
        turn.effects.append(Recall(node.id, node.memo))
    elif node.gate == "lock":
        _open(turn, node)
    elif node.memo is not None:
        turn.effects.append(Recall(node.id, node.memo))


def _open(turn: Turn, node: Node) -> None:
    """Begin, once there is a place."""
    try:
        execute.check_turn(turn, node.boundary)
        execute.check_limits(turn, node.boundary)
    except execute.Blocked as limit:
        if str(limit) == "template":
            _give_back(turn, node)
        turn.block(str(limit), node)
        return
    execute.set_going(turn, node, turn.run.definition(node), ())


def _give_back(turn: Turn, node: Node) -> None:
    """Nobody holds a lock while he waits for a place in a template: who has the place may wait for the lock."""
    if node.hold is not None and node.hold.held:
        turn.change(node, hold=Hold(node.hold.locks))
        turn.effects.append(Release(node.id))


def locked(turn: Turn, answer: Locked) -> None:
    """The locks are the node's, or another's."""
    node = turn.run.nodes.get(answer.holder)
    if node is None or node.gate != "lock" or node.hold is None:
        if node is None or node.hold is None:
            turn.effects.append(Release(answer.holder))
        return
    if answer.error:
        execute.fault(turn, node, answer.error)
        return
    turn.change(node, hold=after(node.hold, answer), message=answer.message)
    if answer.waiting:
        return
    if node.children:
        turn.change(node, gate="")
        turn.replan = True
    else:
        turn.then(look, node)


def after(hold: Hold, answer: Locked) -> Hold:
    """The hold as the answer leaves it."""
    return Hold(hold.locks, held=not answer.waiting, waiting=answer.waiting)


def recalled(turn: Turn, answer: Recalled) -> None:
    """The cache has answered: a hit ends the node at once, a miss lets it begin. A paused run asks again."""
    node = turn.run.nodes.get(answer.node)
    if node is None or node.gate != "memo" or node.memo is None or turn.run.suspended:
        return
    if not answer.hit:
        turn.missed.add(node.id)
        turn.change(node, gate="lock")
        turn.then(_open, node)
        return
    memo = node.memo
    turn.change(node, memo=type(memo)(memo.cache, memo.key, memo.max_age_s, hit=True))
    turn.change(node, gate="", outputs=answer.outputs, exit_code=answer.exit_code)
    outputs.export(turn, turn.run.definition(node), node)
    turn.move(node, "Succeeded", "")
    turn.settle(node)
