"""Older spellings that Argo 4 refuses and most manifests still have, turned into today's before typing."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]


def modernise(manifest: Json) -> list[tuple[str, str]]:
    """Rewrite a plain manifest in place; returns (path as written, what to write instead) of each old spelling."""
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return []
    found: list[tuple[str, str]] = []
    if manifest.get("kind") == "CronWorkflow":
        found += _to_list(spec, "schedule", "schedules", "spec")
        if isinstance(inner := spec.get("workflowSpec"), dict):
            found += _workflow(inner, "spec.workflowSpec")
    elif manifest.get("kind") in ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"):
        found += _workflow(spec, "spec")
    return found


def _workflow(spec: Json, path: str) -> list[tuple[str, str]]:
    found = []
    for part, where in _with_locks(spec, path):
        locks = part.get("synchronization")
        if isinstance(locks, dict):
            found += _to_list(locks, "mutex", "mutexes", f"{where}.synchronization")
            found += _to_list(locks, "semaphore", "semaphores", f"{where}.synchronization")
    if (seconds := spec.pop("ttlSecondsAfterFinished", None)) is not None:
        spec.setdefault("ttlStrategy", {}).setdefault("secondsAfterCompletion", seconds)
        found.append((f"{path}.ttlSecondsAfterFinished", "ttlStrategy.secondsAfterCompletion"))
    if spec.pop("podPriority", None) is not None:
        found.append((f"{path}.podPriority", "podPriorityClassName"))
    return found


def _with_locks(spec: Json, path: str) -> Iterator[tuple[Json, str]]:
    yield spec, path
    if isinstance(defaults := spec.get("templateDefaults"), dict):
        yield defaults, f"{path}.templateDefaults"
    templates = spec.get("templates")
    for index, template in enumerate(templates if isinstance(templates, list) else []):
        if isinstance(template, dict):
            yield template, f"{path}.templates[{index}]"


def _to_list(part: Json, old: str, new: str, path: str) -> list[tuple[str, str]]:
    value = part.pop(old, None)
    if value is None:
        return []
    many = part.setdefault(new, [])
    if isinstance(many, list) and value not in many:
        many.insert(0, value)
    return [(f"{path}.{old}", new)]
