"""An applied manifest as a value."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from bireme.kit.ids import digest

Key = tuple[str, str, str]
"""Kind, namespace ("" for cluster scope), name."""

Action = Literal["created", "configured", "unchanged", "deleted", "submitted", "ignored"]

CLUSTER_SCOPED = frozenset(("ClusterWorkflowTemplate",))
SECRETIVE = frozenset(("Secret",))


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest as it was applied. `generation` counts its contents, `origin` is where it came from.

    An origin is `api` or the absolute path of a file; `lines` says on which line of that file each field path stood.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    generation: int
    origin: str
    manifest: dict[str, Any]
    status: dict[str, Any]
    created_at: float
    lines: dict[str, int] = {}

    @property
    def key(self) -> Key:
        return self.kind, self.namespace, self.name

    @property
    def content(self) -> str:
        return content_of(self.manifest)

    def as_manifest(self) -> dict[str, Any]:
        """The object as the API shows it: with the metadata we keep; the values of a Secret are not shown."""
        created = datetime.fromtimestamp(self.created_at, UTC)
        kept = {
            "name": self.name,
            "uid": self.uid,
            "generation": self.generation,
            "resourceVersion": str(self.generation),
            "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if self.namespace:
            kept["namespace"] = self.namespace
        shown = {**self.manifest, "metadata": {**(self.manifest.get("metadata") or {}), **kept}}
        if self.status:
            shown["status"] = self.status
        return _without_values(shown) if self.kind in SECRETIVE else shown


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What applying one manifest did. For a workflow that was submitted, `name` is the run's."""

    kind: str
    namespace: str
    name: str
    action: Action
    note: str = ""


def content_of(manifest: dict[str, Any]) -> str:
    """A digest that changes exactly when the wishes in a manifest change: what servers add does not count."""
    metadata = manifest.get("metadata") or {}
    wishes = {k: metadata[k] for k in ("labels", "annotations", "generateName") if metadata.get(k)}
    body = {k: v for k, v in manifest.items() if k not in ("metadata", "status")}
    return digest(msgspec.json.encode([wishes, body], order="sorted").decode())


def _without_values(shown: dict[str, Any]) -> dict[str, Any]:
    hidden: dict[str, Iterable[str]] = {f: shown.get(f) or {} for f in ("data", "stringData")}
    masked = {field: dict.fromkeys(keys, "***") for field, keys in hidden.items() if keys}
    return {**shown, **masked}


def rank(kind: str) -> int:
    """The order of applying: what others refer to goes first, what starts at once goes last."""
    return _RANKS.get(kind, 2)


ACTIVE = 2
"""From this rank on an object makes something happen by itself."""

_RANKS = {
    "Secret": 0,
    "ConfigMap": 0,
    "WorkflowTemplate": 1,
    "ClusterWorkflowTemplate": 1,
    "Sensor": 2,
    "EventSource": 3,
    "CronWorkflow": 4,
    "Workflow": 5,
}
