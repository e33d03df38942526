"""Container sets: every container has a node of its own below the pod's."""

from typing import Any

from controller.dag import names
from controller.dag.library import Definition
from controller.dag.model import Json, Node
from controller.dag.phase import FULFILLED
from controller.dag.turn import Turn, new_node
from executor.model import ContainerState

EXECUTOR_FAULT = 64
"""The exit code of a container whose command was never run, by the convention of Argo's executor."""


def open_nodes(turn: Turn, pod: Node, definition: Definition) -> None:
    """Make the nodes of all containers, each hanging on those it depends on."""
    containers: list[Json] = definition.template["containerSet"].get("containers") or []
    for container in containers:
        turn.add(
            new_node(
                turn.run,
                names.container_name(pod.name, container["name"]),
                type="Container",
                phase="Pending",
                boundary=pod.id,
                template=definition.key,
                flags=pod.flags,
            )
        )
    for container in containers:
        node = _node(turn, pod, container["name"])
        needed = [_node(turn, pod, name) for name in container.get("dependencies") or ()]
        for parent in needed or [pod]:
            turn.connect(parent.id, node.id)


def take(turn: Turn, pod: Node, states: list[ContainerState]) -> None:
    """What the executor says of the containers. What has ended stays ended."""
    for state in states:
        node = turn.run.find(names.container_name(pod.name, state.name))
        if node is None or node.phase in FULFILLED:
            continue
        phase = phase_of(state)
        turn.move(node, phase, _message(state) if phase in ("Failed", "Error") else "")


def phase_of(state: ContainerState) -> Any:
    if state.code is None:
        return "Running"
    return {0: "Succeeded", EXECUTOR_FAULT: "Error"}.get(state.code, "Failed")


def _message(state: ContainerState) -> str:
    return f"{state.name}: Error (exit code {state.code}): {state.message}"


def _node(turn: Turn, pod: Node, name: str) -> Node:
    return turn.run.get(names.container_name(pod.name, name))
