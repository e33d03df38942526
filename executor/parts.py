"""The containers of a template, by what they are for: first the init ones, then the main ones, sidecars beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from executor.model import ContainerState

Json = dict[str, Any]
Role = Literal["init", "main", "side"]

NEVER_RUN = 64
"""The exit code of a container whose command was not run, because one it depends on failed."""

_ENDED_BY_US = frozenset({137, 143})


@dataclass(frozen=True, slots=True)
class Part:
    """One container: its place in the template for error messages, and how it is written."""

    role: Role
    name: str
    field: str
    container: Json


def of_template(template: Json) -> list[Part]:
    """Every container, in the order Kubernetes names them. Nothing when the template is not one of containers."""
    where = f"template '{template.get('name', '')}'"
    main = _main(template, where)
    if not main:
        return []
    init = _listed("init", template.get("initContainers"), f"{where}.initContainers")
    side = _listed("side", template.get("sidecars"), f"{where}.sidecars")
    return [*init, *main, *side]


def _main(template: Json, where: str) -> list[Part]:
    for kind in ("script", "container"):
        if (single := template.get(kind)) is not None:
            return [Part("main", "main", f"{where} {kind}", single)]
    declared = (template.get("containerSet") or {}).get("containers")
    return _listed("main", declared, f"{where} containerSet.containers")


def _listed(role: Role, containers: Sequence[Json] | None, field: str) -> list[Part]:
    return [
        Part(role, str(container.get("name") or f"{role}{number}"), f"{field}[{number}]", container)
        for number, container in enumerate(containers or ())
    ]


def main_of(template: Json) -> Json:
    """The container whose directory and output are the step's; empty when there is none."""
    single: Json | None = template.get("script") or template.get("container")
    if single is not None:
        return single
    in_set = (template.get("containerSet") or {}).get("containers") or ()
    return next((c for c in in_set if c.get("name") == "main"), {})


def has_states(template: Json) -> bool:
    """Whether the step writes down what becomes of each of its containers."""
    return any(template.get(name) for name in ("containerSet", "initContainers", "sidecars"))


def main_code(template: Json, code: int | None) -> int | None:
    """The exit code of `main`, which is the step's; a set without a container of that name has none."""
    return code if main_of(template) else None


def verdict(parts: Sequence[Part], states: Sequence[ContainerState]) -> tuple[str, str]:
    """How a step of several containers ended, with the message of the first that went wrong, in Argo's words."""
    role = {part.name: part.role for part in parts}
    told = {state.name: state for state in states}
    for part in parts:
        state = told.get(part.name)
        if state is None or not state.code:
            continue
        if role[part.name] == "side" and state.code in _ENDED_BY_US:
            continue
        message = f"{part.name}: Error (exit code {state.code})"
        message += f": {state.message}" if state.message else ""
        return ("error" if role[part.name] == "init" else "failed"), message
    return "succeeded", ""
