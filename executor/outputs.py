"""What a step left: result, output parameters, output artifacts. Reads files only, so it can be done twice."""

import asyncio
import os
import shutil
from pathlib import Path

from bireme.kit.errors import BiremeError
from executor import stores
from executor.model import Outputs, Task
from executor.places import Place
from executor.ports import Artifact
from executor.stores import Stores

RESULT_BYTES = 256 * 1024
_KEPT = ("archive", "globalName", "mode", "artifactGC")
_PARAMETER_BYTES = 1 << 20


class Missing(BiremeError):
    """A declared output was not left by the step."""


def has_any(task: Task) -> bool:
    """Whether there is anything to collect beside the exit code."""
    outputs = task.template.get("outputs") or {}
    return bool(
        task.capture_result
        or outputs.get("parameters")
        or outputs.get("artifacts")
        or task.archive.get("archiveLogs")
    )


async def collect(
    task: Task, place: Place, known: Stores, exit_code: int | None
) -> tuple[Outputs, list[str]]:
    """Everything the step left, and one complaint for each required thing it did not leave."""
    problems: list[str] = []
    artifacts = await _artifacts(task, place, known, problems)
    outputs = Outputs(
        parameters=_parameters(task, place, problems),
        artifacts=artifacts,
        result=read_result(place) if task.capture_result else None,
        exit_code=None if exit_code is None else str(exit_code),
    )
    return outputs, problems


def read_result(place: Place) -> str:
    """Standard output without one trailing newline; its end when it is longer than RESULT_BYTES."""
    try:
        with place.stdout.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - RESULT_BYTES - 1, 0))
            text = file.read()
    except FileNotFoundError:
        return ""
    return text.removesuffix(b"\n")[-RESULT_BYTES:].decode("utf-8", "replace")


def _parameters(task: Task, place: Place, problems: list[str]) -> dict[str, str]:
    declared = (task.template.get("outputs") or {}).get("parameters") or ()
    found: dict[str, str] = {}
    for parameter in declared:
        source = parameter.get("valueFrom") or {}
        if not (path := source.get("path")):
            continue
        try:
            found[parameter["name"]] = _read_parameter(place.of_output(path, task.template), path)
        except Missing as error:
            if source.get("default") is None:
                problems.append(f"output parameter '{parameter['name']}': {error}")
            else:
                found[parameter["name"]] = str(source["default"])
    return found


def _read_parameter(file: Path, path: str) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_PARAMETER_BYTES + 1)
    except FileNotFoundError as error:
        raise Missing(
            f"open {path}: no such file or directory (the step did not write it; give the"
            " parameter a valueFrom.default if it need not)"
        ) from error
    except OSError as error:
        raise Missing(f"open {path}: {error.strerror}") from error
    if len(content) > _PARAMETER_BYTES:
        raise Missing(f"{path} is larger than {_PARAMETER_BYTES} bytes: make it an artifact")
    return content.removesuffix(b"\n").decode("utf-8", "replace")


async def _artifacts(
    task: Task, place: Place, known: Stores, problems: list[str]
) -> dict[str, Artifact]:
    declared = (task.template.get("outputs") or {}).get("artifacts") or ()
    saved: dict[str, Artifact] = {}
    for number, artifact in enumerate(declared):
        if not artifact.get("path"):
            continue
        field = f"template '{task.template.get('name')}' outputs.artifacts[{number}]"
        try:
            saved[artifact["name"]] = await _save(task, place, known, artifact, field)
        except Missing as error:
            if not artifact.get("optional"):
                problems.append(f"{field} ('{artifact['name']}'): {error}")
        except (BiremeError, OSError) as error:
            problems.append(str(error))
    if task.archive.get("archiveLogs"):
        saved["main-logs"] = await _save_log(task, place, known)
    return saved


async def _save(
    task: Task, place: Place, known: Stores, artifact: Artifact, field: str
) -> Artifact:
    from executor import archives  # tar and zip are loaded for the first artifact only

    source = _written(artifact["path"], place, task)
    kind = archives.strategy(artifact) or "tar"
    file_name = source.name if kind == "none" else artifact["name"] + archives.suffix(kind)
    key = f"{task.namespace}/{task.workflow}/{task.node}/{file_name}"
    location = stores.destination(artifact, field, key)
    kept = {name: artifact[name] for name in _KEPT if name in artifact}
    whole = {"name": artifact["name"], "path": artifact["path"], **kept, **location}
    store = known.of(whole, field)
    if kind == "none":
        await store.save(source, whole)
        return whole
    packed = place.beside(f".{artifact['name']}{archives.suffix(kind)}")
    try:
        await asyncio.to_thread(archives.pack, source, packed, kind, artifact)
        await store.save(packed, whole)
    finally:
        await asyncio.to_thread(packed.unlink, missing_ok=True)
    return whole


def _written(path: str, place: Place, task: Task) -> Path:
    source = place.of_output(path, task.template)
    if not os.path.lexists(source):
        raise Missing(f"{path}: no such file or directory (the step did not write it)")
    return source


async def _save_log(task: Task, place: Place, known: Stores) -> Artifact:
    key = f"{task.namespace}/{task.workflow}/{task.node}/main.log"
    whole: Artifact = {"name": "main-logs", "archive": {"none": {}}, "local": {"key": key}}
    source = await asyncio.to_thread(_whole_log, place) if task.capture_result else place.log
    await known.of(whole, "archiveLogs").save(source, whole)
    return whole


def _whole_log(place: Place) -> Path:
    """Standard output and error in one file, where they were kept apart to capture the result."""
    whole = place.beside(".main-log")
    with whole.open("wb") as target:
        for part in (place.stdout, place.log):
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, target)
    return whole
