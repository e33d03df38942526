"""Objects that are defined twice among the files: whoever applies them gets only one of the two."""

from collections.abc import Iterable, Iterator
from typing import Any

from bireme.kit.errors import Problem
from bireme.manifests.manifest import Manifest


def defined_twice(manifests: Iterable[Manifest[Any]]) -> Iterator[Problem]:
    """One warning for every definition of an object but the first."""
    first: dict[tuple[str, str, str], Manifest[Any]] = {}
    for manifest in manifests:
        metadata = manifest.metadata
        if not metadata.name:
            continue
        key = (manifest.kind, metadata.namespace or "default", metadata.name)
        known = first.setdefault(key, manifest)
        if known is not manifest:
            yield _doubt(manifest, known)


def _doubt(manifest: Manifest[Any], known: Manifest[Any]) -> Problem:
    place = f"{known.file or 'the same text'}:{known.line('metadata.name')}"
    return manifest.problem(
        f"{manifest.title} is defined at {place} already; one of the two is not in force",
        "metadata.name",
        found=manifest.metadata.name,
        advice="Give one of the two another name, or remove it.",
        severity="warning",
    )
