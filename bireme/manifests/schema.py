"""JSON Schemas of the kinds, made from the types: for editors and for whoever checks manifests elsewhere."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bireme.manifests.base import Metadata
from bireme.manifests.decode import ARGO, KINDS

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


_OLDER = {  # spellings that decode but are not Argo's today, and what is written instead
    "CronWorkflowSpec": {"schedule": "schedules"},
    "WorkflowSpec": {"ttlSecondsAfterFinished": "ttlStrategy.secondsAfterCompletion"},
    "Synchronization": {"mutex": "mutexes", "semaphore": "semaphores"},
}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}


Configs = Mapping[str, type[msgspec.Struct]]
"""The typed configurations of event sources, or of triggers, by kind; without one a section stays open."""


def schema(
    kind: str, sources: Configs | None = None, triggers: Configs | None = None
) -> dict[str, Any]:
    """The schema of one kind's manifests. Raises KeyError for a kind that is not Argo's."""
    wholes, parts = _wholes([kind], sources or {}, triggers or {})
    return {"$schema": _DRAFT, **wholes[kind], "$defs": parts}


def schema_of_all(
    sources: Configs | None = None, triggers: Configs | None = None
) -> dict[str, Any]:
    """One schema for files that hold any of the kinds: the kind of a document decides."""
    wholes, parts = _wholes(list(KINDS), sources or {}, triggers or {})
    rules = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": whole}
        for kind, whole in wholes.items()
    ]
    return {"$schema": _DRAFT, "type": "object", "allOf": rules, "$defs": parts}


def _wholes(
    kinds: list[str], sources: Configs, triggers: Configs
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The schema of each kind without its parts, and the parts of all of them."""
    types = [Metadata, *(KINDS[kind][1] for kind in kinds)]
    sources = sources if "EventSource" in kinds else {}
    triggers = triggers if "Sensor" in kinds else {}
    refs, parts = msgspec.json.schema_components(
        [*types, *sources.values(), *triggers.values()], ref_template="#/$defs/{name}"
    )
    for gathered, name in (("sources", "EventSourceSpec"), ("bodies", "TriggerTemplate")):
        if name in parts:
            parts[name]["properties"].pop(gathered)
            parts[name]["additionalProperties"] = {"type": "object"}
    plugins = iter(refs[len(types) :])
    for kind, ref in zip(sources, plugins, strict=False):
        named = {"type": "object", "additionalProperties": ref}
        parts["EventSourceSpec"]["properties"][kind] = named
    for kind, ref in zip(triggers, plugins, strict=True):
        parts["TriggerTemplate"]["properties"][kind] = ref
    for part in parts.values():
        _finish(part)
    metadata, *specs = refs[: len(types)]
    return {k: _whole(k, spec, metadata) for k, spec in zip(kinds, specs, strict=True)}, parts


def _whole(kind: str, spec: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": kind,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": ARGO},
            "kind": {"const": kind},
            "metadata": metadata,
            "spec": spec,
            "status": {"type": "object"},
        },
    }


def _finish(part: dict[str, Any]) -> None:
    """What the decoder takes beyond the types: nulls, numbers for a parameter's text, spellings of before."""
    properties = part.get("properties") or {}
    if part.get("title") in ("Parameter", "ValueFrom"):
        properties |= {n: _SCALAR for n in ("value", "default", "description") if n in properties}
        if "enum" in properties:
            properties["enum"] = {"type": ["array", "null"], "items": _SCALAR}
    for name, today in _OLDER.get(part.get("title", ""), {}).items():
        properties[name] = {"deprecated": True, "description": f"Write {today}."}
