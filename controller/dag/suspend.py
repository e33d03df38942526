"""Suspend templates: a node that waits for a person or for time."""

from datetime import timedelta

from bireme.lang import goduration
from bireme.lang.errors import LangError
from controller.dag import execute, outputs, scope, substitute
from controller.dag.library import Definition
from controller.dag.model import Node
from controller.dag.scope import Layered
from controller.dag.state import Run
from controller.dag.turn import Turn


def start(turn: Turn, node: Node, definition: Definition) -> None:
    """Wait; with a duration, only so long."""
    try:
        length = duration_of(turn.run, node, definition)
    except LangError as error:
        execute.fault(turn, node, str(error))
        return
    turn.change(node, outputs=outputs.supplied(definition))
    if length is not None:
        turn.wake(turn.now + length, "duration", node)


def duration_of(run: Run, node: Node, definition: Definition) -> timedelta | None:
    """How long the node waits at most. Raises LangError."""
    text = definition.template["suspend"].get("duration")
    if not text:
        return None
    around = Layered(scope.own_variables(run, node, definition), run.variables)
    return goduration.parse(substitute.text(str(text), around))


def time_is_up(turn: Turn, node: Node) -> None:
    """The duration is over: go on with defaults for what nobody supplied."""
    try:
        resume(turn, node, "")
    except outputs.OutputFault as error:
        execute.fault(turn, node, str(error))


def resume(turn: Turn, node: Node, message: str, *, defaults: bool = True) -> None:
    """End the waiting with success. Raises OutputFault when a supplied output has no value."""
    definition = turn.run.definition(node)
    if defaults:
        turn.change(node, outputs=outputs.with_defaults(definition, node))
    outputs.export(turn, definition, node)
    turn.move(node, "Succeeded", message)
    turn.settle(node)
