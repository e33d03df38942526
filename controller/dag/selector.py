"""Argo's node field selector: `displayName=approve,phase!=Failed`."""

import re
from collections.abc import Callable

from controller.dag import names
from controller.dag.model import Node, OperationRefused
from controller.dag.state import Run

_TERM = re.compile(r"^\s*([\w.-]+)\s*(==|!=|=)\s*(.*?)\s*$")


def matcher(run: Run, text: str) -> Callable[[Node], bool]:
    """A test for nodes. Raises OperationRefused when the selector cannot be read."""
    terms = [_term(part) for part in text.split(",") if part.strip()]

    def matches(node: Node) -> bool:
        known = fields(run, node)
        return all((known.get(field, "") == value) == equal for field, equal, value in terms)

    return matches


def _term(part: str) -> tuple[str, bool, str]:
    found = _TERM.match(part)
    if not found:
        raise OperationRefused(
            f"invalid field selector: {part!r} (expected field=value or field!=value)"
        )
    return found.group(1), found.group(2) != "!=", found.group(3)


def fields(run: Run, node: Node) -> dict[str, str]:
    """What a selector can ask of a node."""
    boundary = run.nodes[node.boundary].name if node.boundary in run.nodes else ""
    known = {
        "displayName": names.display_name(node.name, boundary),
        "name": node.name,
        "id": node.id,
        "phase": node.phase,
    }
    if not node.template:
        return known
    definition = run.definition(node)
    known["templateName"] = definition.name
    if definition.ref:
        known["templateRef.name"] = definition.ref["name"]
        known["templateRef.template"] = definition.ref["template"]
    for name, value in zip(definition.input_names, node.inputs or (), strict=False):
        known[f"inputs.parameters.{name}.value"] = value or ""
    return known
