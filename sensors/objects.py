"""Objects of a cluster as plain values: names, what a firing leaves on them, merging. Pure."""

from typing import Any

from bireme.kit import ids

Json = dict[str, Any]

FIRING = "events.bireme.dev/firing"
_NAME_CHARS = 63
_SUFFIX_CHARS = 10
_CLUSTER_WIDE = frozenset(
    {"Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding"}
)


def is_cluster_wide(thing: Json) -> bool:
    """Whether objects of the kind belong to no namespace, as far as Argo knows."""
    return thing.get("kind") in _CLUSTER_WIDE


def is_workflow(thing: Json) -> bool:
    """Whether the object is one that this engine runs itself."""
    group = str(thing.get("apiVersion") or "").partition("/")[0]
    return thing.get("kind") == "Workflow" and group == "argoproj.io"


def placed(thing: Json, namespace: str) -> Json:
    """The object in its own namespace, else in that one; nowhere for a kind that has none."""
    metadata = dict(thing.get("metadata") or {})
    if is_cluster_wide(thing):
        metadata.pop("namespace", None)
    else:
        metadata["namespace"] = metadata.get("namespace") or namespace
    return {**thing, "metadata": metadata}


def marked(thing: Json, firing: str) -> Json:
    """The object with a name that the firing alone decides, and the firing on it: made again it is the same object."""
    metadata = dict(thing["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), FIRING: firing}
    if not metadata.get("name"):
        stem = metadata.pop("generateName")[: _NAME_CHARS - _SUFFIX_CHARS]
        metadata["name"] = f"{stem}{ids.digest(firing)[:_SUFFIX_CHARS]}"
    return {**thing, "metadata": metadata}


def made_by(thing: Json | None, firing: str) -> bool:
    """Whether the firing has left its mark on the object."""
    metadata = (thing or {}).get("metadata") or {}
    return (metadata.get("annotations") or {}).get(FIRING) == firing


def merged(live: Any, given: Any) -> Any:
    """Argo's update: objects are merged, lists replaced; what is empty ("", 0, false, {}, null) changes nothing."""
    if isinstance(live, dict) and isinstance(given, dict):
        changed = {key: merged(live.get(key), value) for key, value in given.items()}
        return {**live, **{key: value for key, value in changed.items() if _counts(value)}}
    return given if _counts(given) else live


def _counts(value: Any) -> bool:
    return value not in ("", 0, False, None, {}, [])
