"""A workflow over the template it refers to over the controller's defaults: Argo's strategic merge. Pure.

All values are plain JSON; what is kept is shared with the inputs, nothing is changed in place.
"""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

_MERGE_KEYS = {
    "templates": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "parameters": "name",
    "artifacts": "name",
    "tasks": "name",
    "tolerations": "key",
    "hostAliases": "ip",
}
_WHOLE_PER_KEY = ("hooks", "labelsFrom")
_PARAMETER_SOURCES = ("value", "default", "valueFrom")
_ARTIFACT_LOCATIONS = [
    "artifactory",
    "azure",
    "from",
    "fromExpression",
    "gcs",
    "git",
    "hdfs",
    "http",
    "oss",
    "plugin",
    "raw",
    "s3",
]


def join_specs(workflow: Json, template: Json | None = None, defaults: Json | None = None) -> Json:
    """The spec a run is made of: the workflow's own fields win over its template's, those over the defaults.

    `suspend` is the workflow's alone. Arguments are taken whole, by name, from the first that gives them a value.
    """
    layers = [spec for spec in (workflow, template, defaults) if spec is not None]
    merged: Json = {}
    for spec in layers:
        merged = merge(merged, spec)
    for name in _WHOLE_PER_KEY:
        if any(name in spec for spec in layers):
            merged[name] = _join_keys([spec.get(name) or {} for spec in layers])
    arguments = join_arguments([spec.get("arguments") or {} for spec in layers])
    if arguments:
        merged["arguments"] = arguments
    merged.pop("suspend", None)
    if "suspend" in workflow:
        merged["suspend"] = workflow["suspend"]
    return merged


def merge(high: Any, low: Any, field: str = "") -> Any:
    """`high` completed by `low`: objects key by key, lists with a merge key element by element, all else whole."""
    if isinstance(high, dict) and isinstance(low, dict):
        merged = dict(high)
        for key, value in low.items():
            merged[key] = merge(high[key], value, key) if key in high else value
        return merged
    if isinstance(high, list) and isinstance(low, list) and field in _MERGE_KEYS:
        return _merge_lists(high, low, _MERGE_KEYS[field])
    return high


def _merge_lists(high: list[Any], low: list[Any], key: str) -> list[Any]:
    below = {item.get(key): item for item in low if isinstance(item, dict)}
    merged = [
        merge(item, below.pop(item[key])) if isinstance(item, dict) and item.get(key) in below
        else item
        for item in high
    ]  # fmt: skip
    return merged + [item for item in low if isinstance(item, dict) and item.get(key) in below]


def join_arguments(layers: Sequence[Json]) -> Json:
    """Arguments by name: parameters from the first layer that gives one a source, artifacts likewise."""
    joined: Json = {}
    for kind, join in (("parameters", _first_with_source), ("artifacts", _join_artifact)):
        names: dict[str, None] = {}
        by_layer = []
        for layer in layers:
            items = {item["name"]: item for item in layer.get(kind) or []}
            names.update(dict.fromkeys(items))
            by_layer.append(items)
        if names:
            joined[kind] = [join([x[name] for x in by_layer if name in x]) for name in names]
    return joined


def _first_with_source(candidates: list[Json]) -> Json:
    for parameter in candidates:
        if any(parameter.get(source) is not None for source in _PARAMETER_SOURCES):
            return parameter
    return candidates[0]


def _join_artifact(candidates: list[Json]) -> Json:
    located = [item for item in candidates if _locations(item)]
    if not located:
        return candidates[0]
    chosen = located[0]
    for other in located[1:]:
        if _locations(other) == _locations(chosen):
            chosen = merge(chosen, other)
    return chosen


def _locations(artifact: Json) -> list[str]:
    return [kind for kind in _ARTIFACT_LOCATIONS if kind in artifact]


def _join_keys(layers: list[Json]) -> Json:
    joined: Json = {}
    for layer in reversed(layers):
        joined.update(layer)
    return joined
