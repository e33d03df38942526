"""JSON Schemas of the kinds, made from the types: for editors and for whoever checks manifests elsewhere."""

from typing import Any

import msgspec

from bireme.manifests.base import Metadata
from bireme.manifests.decode import ARGO, KINDS

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind's manifests. Raises KeyError for a kind that is not Argo's.

    Sections and bodies that plugins decode stay open: `sources` and `bodies` stand for keys that have no place of
    their own in the file.
    """
    _, spec = KINDS[kind]
    (spec_ref, metadata_ref), parts = msgspec.json.schema_components(
        [spec, Metadata], ref_template="#/$defs/{name}"
    )
    for gathered, name in (("sources", "EventSourceSpec"), ("bodies", "TriggerTemplate")):
        if name in parts:
            parts[name]["properties"].pop(gathered)
            parts[name]["additionalProperties"] = {"type": "object"}
    for name in ("Parameter", "ValueFrom"):
        if name in parts:
            _any_string(parts[name]["properties"])
    return {
        "$schema": _DRAFT,
        "title": kind,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": ARGO},
            "kind": {"const": kind},
            "metadata": metadata_ref,
            "spec": spec_ref,
            "status": {"type": "object"},
        },
        "$defs": parts,
    }


def _any_string(properties: dict[str, Any]) -> None:
    """A parameter's value may be written as number or boolean."""
    scalar = {"type": ["string", "number", "boolean", "null"]}
    for name in ("value", "default", "description"):
        if name in properties:
            properties[name] = scalar
    if "enum" in properties:
        properties["enum"] = {"type": ["array", "null"], "items": scalar}
