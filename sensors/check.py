"""What can be said about a Sensor's joins, gathering, slots and budgets before it runs. Opens nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from bireme.kit.errors import UserError
from bireme.lang import conditions
from sensors import compile_gathering

Fault = tuple[str, str]  # path, message


def faults(spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Rules that would keep a trigger from firing. `spec` is that of a manifest that decodes, as plain JSON values."""
    declared = tuple(dependency.get("name") or "" for dependency in spec.get("dependencies") or ())
    for index, trigger in enumerate(spec.get("triggers") or ()):
        template = trigger.get("template") or {}
        text = template.get("conditions") or ""
        names = _asked(text, declared)
        for field, message in compile_gathering.faults(template, text, names):
            yield f"spec.triggers[{index}].template.{field}", message


def _asked(text: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    """The dependencies the trigger waits for; all of them when its conditions do not parse, which lint says itself."""
    try:
        found = conditions.compile(text, declared).names
    except UserError:
        return declared
    return tuple(name for name in declared if name in found)
