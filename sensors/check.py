"""What can be said about a Sensor before it runs: do its triggers' blocks fit their kinds, can its joins, gathering,
slots and budgets work. Opens nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bireme.kit.errors import Problem, UserError
from bireme.kit.registry import Registry
from bireme.lang import conditions
from bireme.manifests.manifest import Manifest
from bireme.manifests.typed import convert
from sensors import compile_gathering
from sensors.registry import manifest_sources, triggers

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
        for path, config, block in _blocks(trigger, f"spec.triggers[{index}]"):
            for fault in convert(block, config, path)[1]:
                yield sensor.problem(
                    fault.message,
                    fault.path,
                    found=fault.found,
                    expected=fault.expected,
                    advice=fault.advice,
                )


def _blocks(trigger: Mapping[str, Any], path: str) -> Iterator[tuple[str, type[Any], Any]]:
    """Where the block of a kind stands, what fits there and the block; also those of its `source` and `dlqTrigger`."""
    for place, config, block in _typed(triggers, trigger.get("template"), f"{path}.template"):
        yield place, config, block
        if isinstance(block, dict):
            yield from _typed(manifest_sources, block.get("source"), f"{place}.source")
    if after := trigger.get("dlqTrigger"):
        yield from _blocks(after, f"{path}.dlqTrigger")


def _typed(family: Registry[Any], members: Any, path: str) -> Iterator[tuple[str, type[Any], Any]]:
    """Of the members those that are a kind of this family which says what fits it."""
    for kind, block in members.items() if isinstance(members, dict) else ():
        if kind in family and hasattr(family[kind], "Config"):
            yield f"{path}.{kind}", family[kind].Config, block


def _asked(text: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    """The dependencies the trigger waits for; all of them when its conditions do not parse, which lint says itself."""
    try:
        found = conditions.compile(text, declared).names
    except UserError:
        return declared
    return tuple(name for name in declared if name in found)
