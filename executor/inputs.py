"""Input artifacts: loaded, unpacked and put where the step will see them, before it starts. Safe to do twice."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

from bireme.kit.errors import UserError
from executor import stores
from executor.model import Task
from executor.places import Place
from executor.ports import Artifact, ArtifactMissing, ExecutorError
from executor.stores import Stores


class InputMissing(ExecutorError, UserError):
    """A required input artifact could not be loaded; the message names it."""


def has_any(task: Task) -> bool:
    """Whether something must be loaded before the task can start."""
    return bool((task.template.get("inputs") or {}).get("artifacts"))


async def load(task: Task, place: Place, known: Stores) -> None:
    """Put every input artifact of the task at its path. Raises InputMissing, StoreNotAvailable, BadArchive."""
    artifacts = (task.template.get("inputs") or {}).get("artifacts") or ()
    for number, artifact in enumerate(artifacts):
        if artifact.get("path"):
            field = f"template '{task.template.get('name')}' inputs.artifacts[{number}]"
            await _load_one(
                artifact, place.for_input(artifact["path"], task.template), known, field
            )


async def _load_one(artifact: Artifact, target: Path, known: Stores, field: str) -> None:
    from executor import archives  # tar and zip are loaded for the first artifact only

    if artifact.get("optional") and not stores.location_kind(artifact):
        return
    artifact = stores.located(artifact)
    store = known.of(artifact, field)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.loading")
    _remove(fresh)
    _remove(target)
    try:
        await store.load(_with_sub_path(artifact), fresh)
    except ArtifactMissing as error:
        if artifact.get("optional"):
            return
        raise InputMissing(f"{field}: {error}") from error
    await asyncio.to_thread(archives.unpack, fresh, target, archives.strategy(artifact))
    if artifact.get("mode") is not None:
        _set_mode(target, int(artifact["mode"]), bool(artifact.get("recurseMode")))


def _with_sub_path(artifact: Artifact) -> Artifact:
    kind, sub_path = stores.location_kind(artifact), artifact.get("subPath")
    if not sub_path or "key" not in artifact.get(kind, {}):
        return artifact
    location: dict[str, Any] = artifact[kind]
    return {**artifact, kind: {**location, "key": f"{location['key'].rstrip('/')}/{sub_path}"}}


def _set_mode(path: Path, mode: int, recurse: bool) -> None:
    path.chmod(mode)
    if recurse and path.is_dir():
        for below in path.rglob("*"):
            if not below.is_symlink():
                below.chmod(mode)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
