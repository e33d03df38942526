"""Daemons: once up they are in nobody's way, and end with the steps or the dag that started them."""

from controller.dag.model import Node
from controller.dag.phase import FULFILLED
from controller.dag.tracking import leave
from controller.dag.turn import Turn


def up(turn: Turn, node: Node) -> None:
    """A daemon is up. It keeps neither locks nor a place: what it was started for might wait for them for ever."""
    turn.change(node, daemoned=True)
    turn.run.index.daemons[node.id] = None
    turn.let_go(node)
    leave(turn.run, node)
    turn.freed(node.boundary)


def end(turn: Turn, boundary: str) -> None:
    """The steps or dag is over, and with it the daemons it started."""
    run = turn.run
    for node_id in [d for d in run.index.daemons if run.nodes[d].boundary == boundary]:
        node = run.nodes[node_id]
        del run.index.daemons[node_id]
        turn.stop_task(node)
        turn.change(node, daemoned=False)
        turn.move(node, "Succeeded")
        owner = run.nodes.get(node.owner)
        if owner is not None and owner.type == "Retry" and owner.phase not in FULFILLED:
            turn.change(owner, daemoned=False)
            turn.move(owner, "Succeeded")
