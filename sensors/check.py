"""What can be said about a Sensor before it runs: do its triggers' blocks fit their kinds, can its joins, gathering,
slots and budgets work. Opens nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bireme.kit.errors import Problem, UserError
from bireme.lang import conditions
from bireme.manifests.manifest import Manifest
from bireme.manifests.typed import convert
from sensors import compile_gathering
from sensors.registry import triggers

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


def misfits(sensor: Manifest[Any]) -> Iterator[Problem]:
    """Fields that a trigger's kind does not have, and values of another type than it takes."""
    for index, trigger in enumerate((sensor.raw.get("spec") or {}).get("triggers") or ()):
        for path, kind, block in _blocks(trigger, f"spec.triggers[{index}]"):
            for fault in convert(block, triggers[kind].Config, path)[1]:
                yield sensor.problem(
                    fault.message,
                    fault.path,
                    found=fault.found,
                    expected=fault.expected,
                    advice=fault.advice,
                )


def _blocks(trigger: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, Any]]:
    """Where the block of a kind stands, the kind and the block; also those of the trigger's `dlqTrigger`."""
    for kind, block in (trigger.get("template") or {}).items():
        if kind in triggers and hasattr(triggers[kind], "Config"):
            yield f"{path}.template.{kind}", kind, block
    if after := trigger.get("dlqTrigger"):
        yield from _blocks(after, f"{path}.dlqTrigger")


def _asked(text: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    """The dependencies the trigger waits for; all of them when its conditions do not parse, which lint says itself."""
    try:
        found = conditions.compile(text, declared).names
    except UserError:
        return declared
    return tuple(name for name in declared if name in found)
