"""Artifacts in a directory of this machine: what steps hand to each other when no store is configured.

```yaml
artifacts:
  - name: report
    path: /tmp/report.txt
    local: {key: default/my-workflow/report.tgz}
```
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from bireme.kit.errors import UserError
from executor.ports import Artifact, ArtifactMissing, ExecutorError
from executor.registry import artifacts

_CHUNK_BYTES = 1 << 18


class BadKey(ExecutorError, UserError):
    """A key that leads out of the store."""


@artifacts.register("local")
class LocalStore:
    """Files and directories below `root`, by `local.key`. Saving replaces; a reader never sees half of a file.

    Nothing outside `root` is read or written: a link that a step has left there is not followed out of it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    async def load(self, artifact: Artifact, path: Path) -> None:
        await asyncio.to_thread(_copy, self._found(artifact), path)

    async def save(self, path: Path, artifact: Artifact) -> None:
        await asyncio.to_thread(_replace, path, self._place(artifact))

    async def delete(self, artifact: Artifact) -> None:
        await asyncio.to_thread(_remove, self._place(artifact))

    async def open_stream(self, artifact: Artifact) -> AsyncIterator[bytes]:
        with self._found(artifact).open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                yield chunk

    async def list(self, artifact: Artifact) -> "list[str]":
        return await asyncio.to_thread(_keys, self._root, self._place(artifact))

    def _place(self, artifact: Artifact) -> Path:
        key = PurePosixPath(artifact["local"]["key"])
        if key.is_absolute() or ".." in key.parts or not key.parts:
            raise BadKey(
                f"artifact '{artifact.get('name')}': local.key '{key}' must be a relative path without '..'"
            )
        place = self._root / key
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(self._root)):
            raise BadKey(
                f"artifact '{artifact.get('name')}': local.key '{key}' is behind a link that leads out of the store"
            )
        return place

    def _found(self, artifact: Artifact) -> Path:
        place = self._place(artifact)
        if not place.exists():
            name, key = artifact.get("name"), artifact["local"]["key"]
            raise ArtifactMissing(f"artifact '{name}': there is nothing under local.key '{key}'")
        return place


def _keys(root: Path, prefix: Path) -> list[str]:
    """A directory stands for all below it; anything else for whatever begins with its name."""
    folder = prefix if prefix.is_dir() else prefix.parent
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    wanted = f"{prefix}/" if prefix.is_dir() else str(prefix)
    return sorted(p.relative_to(root).as_posix() for p in found if str(p).startswith(wanted))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _replace(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".tmp")
    _remove(fresh)
    _copy(source, fresh)
    if target.is_dir():
        _remove(target)
    os.replace(fresh, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
