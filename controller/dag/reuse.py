"""A run made like one that went wrong: what succeeded there is not done again.

The kept nodes stand in the new run under its own names before it begins, as if they had just succeeded, so that
everything after them goes on: conditions, outputs, loops. Only their message tells whose work it was.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from controller.dag import advance, retry_run
from controller.dag.library import TemplateMissing
from controller.dag.model import Change, Node, NodeChanged, OperationRefused, RunChanged
from controller.dag.patches import born
from controller.dag.phase import BAD, FULFILLED
from controller.dag.state import Run
from controller.dag.turn import Turn

ORIGINAL = "original pod: "


def keep_what_succeeded(old: Run, now: datetime, parameters: Mapping[str, str]) -> None:
    """Take away of the old run, of which this must be a copy, all that a new one has to do itself.

    With other `parameters` loops expand anew. Raises OperationRefused for a run that has not gone wrong.
    """
    if old.phase not in BAD:
        raise OperationRefused("workflow must be Failed/Error to resubmit in memoized mode")
    turn = Turn(old, now, advance.RULES)
    retry_run.reset(turn, restart_successful=False, selector_text="", parameters=parameters)


def plant(run: Run, old: Run, now: datetime) -> list[Change]:
    """Put the nodes that `keep_what_succeeded` has left into a run that has not begun; the changes that say so.

    Raises OperationRefused when a template is not what it was: then what it left cannot be built on.
    """
    _check_templates(run, old)
    ids = {node.id: _reserve(run, old, node) for node in old.nodes.values()}
    changes: list[Change] = []
    for node in old.nodes.values():
        made = run.nodes[ids[node.id]] = _copy(run.nodes[ids[node.id]], node, ids, now)
        edges: dict[str, Any] = {"edges": [*made.children]} if made.children else {}
        changes.append(NodeChanged(id=made.id, **born(made), **edges))
    if old.outputs is not None:
        run.outputs = old.outputs
        changes.append(RunChanged(outputs=old.outputs))
    return changes


def _check_templates(run: Run, old: Run) -> None:
    for key in {node.template for node in old.nodes.values() if node.template}:
        try:
            same = run.library.get(key).template == old.library.get(key).template
        except (TemplateMissing, LookupError):
            same = False
        if not same:
            raise OperationRefused(
                f"template {key} has changed since: resubmit without memoized to run all of it anew"
            )


def _reserve(run: Run, old: Run, node: Node) -> str:
    """The id of the node in the new run, taken."""
    name = run.name + node.name.removeprefix(old.name)
    node_id = run.new_id(name)
    run.nodes[node_id] = Node(id=node_id, name=name, type=node.type, phase=node.phase)
    return node_id


def _copy(reserved: Node, node: Node, ids: Mapping[str, str], now: datetime) -> Node:
    is_done = node.phase in FULFILLED
    was_work = node.type in retry_run.EXECUTION and node.phase == "Succeeded"
    return replace(
        node,
        id=reserved.id,
        name=reserved.name,
        owner=ids.get(node.owner, ""),
        boundary=ids.get(node.boundary, ""),
        children=[ids[child] for child in node.children or ()] or None,
        outbound=[ids[end] for end in node.outbound or ()] or None,
        started=now,
        finished=now if is_done else None,
        message=f"{ORIGINAL}{node.id}" if was_work else node.message,
    )
