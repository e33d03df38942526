"""Volumes of a step as directories of this machine: which lies at which path, and what must be in it beforehand.

| volume | directory | shared by |
|---|---|---|
| `emptyDir`, `ephemeral` | beside the step's own | the containers of one step |
| `configMap`, `secret` | the same, filled before the step starts and emptied when it has ended | |
| a claim of `volumeClaimTemplates` | beside the steps of the run | all steps of the run |
| `persistentVolumeClaim` | `volumes/<namespace>/<claim>` in the data directory, made when it is first used | all runs |
| `hostPath` | that path itself | the machine |
"""

import os
import posixpath
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bireme.kit.errors import BiremeError, UserError
from executor import parts
from executor.model import Task
from executor.ports import ExecutorError, Secrets
from executor.runner import files

Json = dict[str, Any]

OF_RUN = ".volumes"
"""The directory of a run's claims, beside its steps."""

_SCRATCH = ("emptyDir", "ephemeral")
_FILLED = ("configMap", "secret")
KNOWN = (*_SCRATCH, *_FILLED, "persistentVolumeClaim", "hostPath")


class BadVolume(ExecutorError, UserError):
    """A mount cannot be had on this machine; the message names its field."""


@dataclass(frozen=True, slots=True)
class Bind:
    """What a step finds at one of its paths."""

    source: Path
    read_only: bool


def has_any(task: Task) -> bool:
    """Whether any container of the step mounts anything."""
    return any(True for _ in _mounts(task.template))


def binds(task: Task, root: Path) -> dict[str, Bind]:
    """By mount path. Raises BadVolume."""
    found: dict[str, Bind] = {}
    known = {
        volume["name"]: volume for volume in (*task.volumes, *(task.template.get("volumes") or ()))
    }
    for mount, field in _mounts(task.template):
        volume = known.get(mount["name"])
        if volume is None:
            raise BadVolume(
                f"{field}: there is no volume '{mount['name']}' in spec.volumes or the template"
            )
        path = posixpath.normpath(mount["mountPath"])
        bind = Bind(
            _below(_source(task, root, volume, field), mount, field), bool(mount.get("readOnly"))
        )
        if found.setdefault(path, bind).source != bind.source:
            raise BadVolume(
                f"{field}.mountPath '{path}' is where another container mounts another volume: the containers of a"
                " step share one view of the file system here; mount one of the two elsewhere"
            )
    return found


def _mounts(template: Json) -> Iterator[tuple[Json, str]]:
    """Every mount of every container, with its field."""
    common = (template.get("containerSet") or {}).get("volumeMounts") or ()
    where = f"template '{template.get('name', '')}'"
    for number, mount in enumerate(common):
        yield mount, f"{where} containerSet.volumeMounts[{number}]"
    for part in parts.of_template(template):
        for number, mount in enumerate(part.container.get("volumeMounts") or ()):
            yield mount, f"{part.field}.volumeMounts[{number}]"


def _source(task: Task, root: Path, volume: Json, field: str) -> Path:
    name = _plain(str(volume["name"]), field)
    if volume.get("claimTemplate"):
        return root / "steps" / task.run / OF_RUN / name
    if claim := volume.get("persistentVolumeClaim"):
        return root / "volumes" / task.namespace / _plain(claim["claimName"], field)
    if host := volume.get("hostPath"):
        return _of_host(host, field)
    kind = next((k for k in volume if k != "name"), "emptyDir")
    if kind not in (*_SCRATCH, *_FILLED):
        raise BadVolume(f"{field}: volume '{name}' is a {kind}; known here: {', '.join(KNOWN)}")
    return _own(root, task) / name


def _own(root: Path, task: Task) -> Path:
    return Path(f"{root}/steps/{task.id}{files.VOLUMES}")


def _below(source: Path, mount: Json, field: str) -> Path:
    if mount.get("subPathExpr"):
        raise BadVolume(f"{field}.subPathExpr is not known to this backend: use subPath")
    sub = str(mount.get("subPath") or "")
    if sub.startswith("/") or ".." in sub.split("/"):
        raise BadVolume(f"{field}.subPath '{sub}' leads out of the volume")
    return source / sub if sub else source


def _plain(name: str, field: str) -> str:
    if not name or name.startswith(".") or "/" in name:
        raise BadVolume(f"{field}: '{name}' cannot be the name of a volume")
    return name


def _of_host(host: Json, field: str) -> Path:
    path = Path(host["path"])
    if not path.exists() and not str(host.get("type") or "").endswith("OrCreate"):
        raise BadVolume(f"{field}: hostPath '{path}' does not exist on this machine")
    return path


# --- before and after the step ----------------------------------------------------------------------------------


def prepare(task: Task, root: Path, secrets: Secrets | None) -> None:
    """Make the directories, and the files of config maps and secrets. Raises BadVolume; safe to do twice."""
    known = {
        volume["name"]: volume for volume in (*task.volumes, *(task.template.get("volumes") or ()))
    }
    for mount, field in _mounts(task.template):
        volume = known[mount["name"]]
        source = _source(task, root, volume, field)
        if not volume.get("hostPath"):
            source.mkdir(parents=True, exist_ok=True)
        for kind in _FILLED:
            if kind in volume:
                _fill(task, source, volume, kind, secrets)
    for bind in binds(task, root).values():
        if not os.path.lexists(bind.source):
            bind.source.mkdir(parents=True)


def clear(task: Task, root: Path) -> None:
    """The step has ended: nothing of a secret stays on the disk."""
    own = _own(root, task)
    for volume in (*task.volumes, *(task.template.get("volumes") or ())):
        if "secret" in volume:
            shutil.rmtree(own / volume["name"], ignore_errors=True)


def _fill(task: Task, folder: Path, volume: Json, kind: str, secrets: Secrets | None) -> None:
    block = volume[kind]
    name = str(block.get("secretName") or block.get("name") or "")
    field = f"volume '{volume['name']}' {kind} '{name}'"
    if secrets is None:
        raise BadVolume(f"{field}: no secrets or config maps are configured")
    try:
        keys = secrets.keys(kind, task.namespace, name)
        items = block.get("items") or [{"key": key, "path": key} for key in keys]
        for item in items:
            _write(
                folder,
                item,
                _content(secrets, kind, task.namespace, name, item["key"]),
                block,
                field,
            )
    except BadVolume:
        raise
    except BiremeError as error:
        if not block.get("optional"):
            raise BadVolume(f"{field}: {error}") from error


def _content(secrets: Secrets, kind: str, namespace: str, name: str, key: str) -> bytes:
    if kind == "secret":
        return secrets.secret(namespace, name, key)
    return secrets.config(namespace, name, key).encode()


def _write(folder: Path, item: Json, content: bytes, block: Json, field: str) -> None:
    path = str(item["path"])
    if path.startswith("/") or ".." in path.split("/"):
        raise BadVolume(f"{field}: items path '{path}' leads out of the volume")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    given = (item.get("mode"), block.get("defaultMode"), 0o644)
    mode = next(int(m) for m in given if m is not None)
    files.write_whole(str(target), content, mode | 0o400)
