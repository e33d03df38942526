"""Older spellings that Argo 4 refuses and most manifests still have, turned into today's before typing."""

from typing import Any

Json = dict[str, Any]
Renamed = list[tuple[str, str]]  # (path as written, what to write instead)

_WORKFLOWS = frozenset(("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"))


def modernise(manifest: Json) -> tuple[Json, Renamed]:
    """The manifest in today's spelling, sharing what did not change, and each old spelling found."""
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return manifest, []
    found: Renamed = []
    if manifest.get("kind") in _WORKFLOWS:
        new = _workflow(spec, "spec", found)
    elif manifest.get("kind") == "CronWorkflow":
        new = _to_list(spec, "schedule", "schedules", "spec", found)
        if isinstance(inner := spec.get("workflowSpec"), dict):
            new = _with(new, "workflowSpec", _workflow(inner, "spec.workflowSpec", found))
    elif manifest.get("kind") == "EventSource":
        new = _event_sources(spec, found)
    else:
        return manifest, []
    return _with(manifest, "spec", new), found


def _event_sources(spec: Json, found: Renamed) -> Json:
    """`webhookContext` of a webhook is Argo's published schema (and so hera's); what is read has its fields inline."""
    hooks = spec.get("webhook")
    if not isinstance(hooks, dict):
        return spec
    new = dict(hooks)
    for name, hook in hooks.items():
        if isinstance(hook, dict) and isinstance(context := hook.get("webhookContext"), dict):
            rest = {key: value for key, value in hook.items() if key != "webhookContext"}
            new[name] = {**context, **rest}
            found.append((f"spec.webhook.{name}.webhookContext", "its fields one level up"))
    return {**spec, "webhook": new} if new != hooks else spec


def _with(part: Json, key: str, value: Any) -> Json:
    return part if part.get(key) is value else {**part, key: value}


def _workflow(spec: Json, path: str, found: Renamed) -> Json:
    spec = _locks(spec, path, found)
    if isinstance(defaults := spec.get("templateDefaults"), dict):
        new = _locks(defaults, f"{path}.templateDefaults", found)
        spec = _with(spec, "templateDefaults", new)
    if isinstance(templates := spec.get("templates"), list):
        modern = [
            _locks(template, f"{path}.templates[{index}]", found)
            for index, template in enumerate(templates)
        ]
        if any(new is not old for new, old in zip(modern, templates, strict=True)):
            spec = {**spec, "templates": modern}
    return _retired(spec, path, found)


def _retired(spec: Json, path: str, found: Renamed) -> Json:
    seconds = spec.get("ttlSecondsAfterFinished")
    if seconds is not None:
        ttl = {"secondsAfterCompletion": seconds} | (spec.get("ttlStrategy") or {})
        spec = {**spec, "ttlStrategy": ttl}
        del spec["ttlSecondsAfterFinished"]
        found.append((f"{path}.ttlSecondsAfterFinished", "ttlStrategy.secondsAfterCompletion"))
    if "podPriority" in spec:
        spec = {key: value for key, value in spec.items() if key != "podPriority"}
        found.append((f"{path}.podPriority", "podPriorityClassName"))
    return spec


def _locks(part: Any, path: str, found: Renamed) -> Any:
    locks = part.get("synchronization") if isinstance(part, dict) else None
    if not isinstance(locks, dict):
        return part
    where = f"{path}.synchronization"
    new = _to_list(locks, "mutex", "mutexes", where, found)
    new = _to_list(new, "semaphore", "semaphores", where, found)
    return _with(part, "synchronization", new)


def _to_list(part: Json, old: str, new: str, path: str, found: Renamed) -> Json:
    """`old: x` becomes `new: [x]`, before what `new` holds already."""
    if part.get(old) is None:
        return part
    found.append((f"{path}.{old}", new))
    rest = {key: value for key, value in part.items() if key != old}
    many = part.get(new, [])
    if isinstance(many, list):
        rest[new] = many if part[old] in many else [part[old], *many]
    return rest
