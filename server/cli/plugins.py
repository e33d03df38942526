"""What this engine's own sources and triggers say about a manifest, for `bireme lint`."""

from collections.abc import Iterator
from typing import Any

from bireme.kit.errors import Problem
from bireme.manifests.events import EventSource, Sensor
from bireme.manifests.manifest import Manifest


def problems(manifest: Manifest[Any]) -> Iterator[Problem]:
    """Configs and rules that cannot work are errors; kinds this engine does not have are warnings."""
    if isinstance(manifest, EventSource):
        from events import check

        for path, message in check.faults(manifest.raw.get("spec") or {}):
            yield manifest.problem(message, path)
        for say in (check.unknown, check.doubts):
            for path, message in say(manifest.raw.get("spec") or {}):
                yield manifest.problem(message, path, severity="warning")
    elif isinstance(manifest, Sensor):
        from sensors import check as rules

        yield from rules.misfits(manifest)
        for path, message in rules.faults(manifest.raw.get("spec") or {}):
            yield manifest.problem(message, path)
        for path, message in _unknown_triggers(manifest):
            yield manifest.problem(message, path, severity="warning")


def _unknown_triggers(manifest: Sensor) -> Iterator[tuple[str, str]]:
    from sensors.registry import triggers

    for index, trigger in enumerate(manifest.spec.triggers):
        kind = trigger.template.kind if trigger.template else ""
        if kind and kind not in triggers:
            path = f"spec.triggers[{index}].template.{kind}"
            yield path, f"this engine has no trigger of the kind '{kind}'"
