"""Which store an artifact lies in: its location decides; what this release cannot reach is refused by name."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from bireme.kit.errors import BiremeError, UserError
from executor import registry
from executor.ports import Artifact, ArtifactStore, ExecutorError

LOCATIONS = (
    "s3", "git", "http", "artifactory", "hdfs", "raw", "oss", "gcs", "azure", "plugin", "local",
)  # fmt: skip
_KEYED = {"s3": "key", "gcs": "key", "oss": "key", "azure": "blob", "hdfs": "path"}


class StoreNotAvailable(ExecutorError, UserError):
    """The artifact's location needs a store this release does not have."""


class Stores:
    """The artifact stores in use, made on first use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[str, ArtifactStore] = {}

    def of(self, artifact: Artifact, field: str) -> ArtifactStore:
        """The store of a located artifact; `field` names it in errors. Raises StoreNotAvailable."""
        kind = location_kind(artifact)
        if kind not in self._made:
            if kind not in registry.artifacts:
                raise StoreNotAvailable(_refusal(field, kind, artifact))
            self._made[kind] = registry.artifacts[kind](self._root)
        return self._made[kind]


def location_kind(artifact: Artifact) -> str:
    """`s3`, `raw`, …; empty when the artifact has no location."""
    return next((kind for kind in LOCATIONS if artifact.get(kind)), "")


async def discard(known: Stores, artifacts: Collection[Artifact]) -> list[str]:
    """Delete them; in words, what could not be deleted."""
    problems = []
    for artifact in artifacts:
        try:
            await known.of(artifact, f"artifact '{artifact.get('name')}'").delete(artifact)
        except (BiremeError, OSError) as error:
            problems.append(str(error))
    return problems


def located(artifact: Artifact) -> Artifact:
    """The artifact, with only a key meaning that key of the local store, which stands for the artifact repository."""
    kind = location_kind(artifact)
    location: dict[str, Any] = artifact.get(kind) or {}
    if kind not in _KEYED or set(location) != {_KEYED[kind]}:
        return artifact
    rest = {name: value for name, value in artifact.items() if name != kind}
    return {**rest, "local": {"key": str(location[_KEYED[kind]]).strip("/")}}


def destination(artifact: Artifact, field: str, default_key: str) -> Artifact:
    """Where an output goes, as the location part of an artifact object.

    A full location is kept. Without one, or with only a key, the artifact goes to the local store, which stands for
    the artifact repository: under that key, else under `default_key`.
    """
    kind = location_kind(artifact)
    if not kind:
        return {"local": {"key": default_key}}
    location: dict[str, Any] = artifact[kind]
    if kind in _KEYED and set(location) == {_KEYED[kind]}:
        return {"local": {"key": str(location[_KEYED[kind]]).strip("/")}}
    if kind not in registry.artifacts:
        raise StoreNotAvailable(_refusal(field, kind, artifact))
    return {kind: location}


def _refusal(field: str, kind: str, artifact: Artifact) -> str:
    if not kind:
        return f"{field} ('{artifact.get('name')}') has no location: give it `raw`, `from`, or make it optional"
    return (
        f"{field}.{kind} ('{artifact.get('name')}'): artifact store {kind} comes with a later release;"
        f" known here: {', '.join(registry.artifacts.kinds())}"
        " (leave the location out, and the artifact is kept on this machine)"
    )
