"""Kept artifacts as people read them: a file's bytes, or one file of a directory. The API calls this; steps do not."""

from collections.abc import AsyncIterator
from pathlib import PurePosixPath

from executor.ports import Artifact, ArtifactMissing, ListsArtifacts
from executor.stores import Stores, located, location_kind


async def files(known: Stores, artifact: Artifact) -> list[str]:
    """The paths of all files below an artifact that is a directory, sorted; `[""]` for one that is a file.

    Raises ArtifactMissing when there is nothing, StoreNotAvailable when this release cannot reach it.
    """
    place = located(artifact)
    kind = location_kind(place)
    store = known.of(place, _field(place))
    if not isinstance(store, ListsArtifacts):
        return [""]
    key = str(PurePosixPath(place[kind]["key"]))  # as it is listed: "a//b/" lies under "a/b"
    keys = await store.list(place)
    if key in keys:
        return [""]
    below = [found.removeprefix(f"{key}/") for found in keys if found.startswith(f"{key}/")]
    if not below:
        raise ArtifactMissing(f"artifact '{place.get('name')}': there is nothing under '{key}'")
    return below


def read(known: Stores, artifact: Artifact, below: str) -> AsyncIterator[bytes]:
    """The bytes of a file: of the artifact itself when `below` is empty. `below` is one of the paths of `files`."""
    place = located(artifact)
    if below:
        kind = location_kind(place)
        place = {**place, kind: {**place[kind], "key": f"{place[kind]['key']}/{below}"}}
    return known.of(place, _field(place)).open_stream(place)


def _field(artifact: Artifact) -> str:
    return f"artifact '{artifact.get('name')}'"
