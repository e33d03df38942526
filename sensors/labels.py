"""The labels that say which sensor made an object. Pure."""

from typing import Any

from sensors.model import Origin

Json = dict[str, Any]

_PREFIX = "events.argoproj.io/"


def labelled(manifest: Json, origin: Origin) -> Json:
    """The object with Argo's three labels, and in the sensor's namespace unless it names its own."""
    metadata = dict(manifest.get("metadata") or {})
    metadata["namespace"] = metadata.get("namespace") or origin.namespace
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        f"{_PREFIX}sensor": origin.sensor,
        f"{_PREFIX}trigger": origin.trigger,
        f"{_PREFIX}action-timestamp": str(int(origin.at * 1000)),
    }
    return {**manifest, "metadata": metadata}
