"""Daemons: they end with the steps or the dag that started them."""

from controller.dag.phase import FULFILLED
from controller.dag.turn import Turn


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
