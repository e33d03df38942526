"""Fields that mean something to a pod alone. Where steps are processes of one machine they have no effect. Pure."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_POD = (
    "affinity", "automountServiceAccountToken", "hostAliases", "nodeSelector", "podSpecPatch", "priorityClassName",
    "resourceClaims", "schedulerName", "securityContext", "serviceAccountName", "tolerations",
)  # fmt: skip
_OF_SPEC = (
    *_POD, "artifactRepositoryRef", "dnsConfig", "dnsPolicy", "executor", "executorPlugins", "hostNetwork",
    "imagePullSecrets", "podDisruptionBudget", "podGC", "podMetadata", "podPriorityClassName", "volumeClaimGC",
)  # fmt: skip
_OF_TEMPLATE = (*_POD, "executor", "metadata", "podResources")
_OF_CONTAINER = (
    "imagePullPolicy", "lifecycle", "livenessProbe", "resizePolicy", "restartPolicy", "restartPolicyRules",
    "securityContext", "stdin", "stdinOnce", "terminationMessagePath", "terminationMessagePolicy", "tty",
    "volumeDevices",
)  # fmt: skip
_OF_DAEMONS = ("readinessProbe", "startupProbe")
_OF_PROBE = ("failureThreshold", "terminationGracePeriodSeconds")
_OF_ARTIFACT_GC = ("forceFinalizerRemoval", "podMetadata", "podSpecPatch", "serviceAccountName")
_OF_MOUNT = ("mountPropagation", "recursiveReadOnly")
_LISTS = ("initContainers", "sidecars")


def pod_fields(spec: Json) -> Iterator[str]:
    """The paths below the workflow's spec of all such fields that are set."""
    yield from _set(spec, _OF_SPEC, "")
    yield from _set(spec.get("artifactGC") or {}, _OF_ARTIFACT_GC, "artifactGC.")
    yield from _common(spec, "")
    for path, template in templates_of(spec):
        yield from _set(template, _OF_TEMPLATE, path)
        yield from _common(template, path)
        yield from _artifacts(template, path)
        for at, container in containers_of(template):
            yield from _container(container, f"{path}{at}.", daemon=bool(template.get("daemon")))


def templates_of(spec: Json) -> Iterator[tuple[str, Json]]:
    """All templates, with the defaults and those written inline."""
    if isinstance(defaults := spec.get("templateDefaults"), dict):
        yield "templateDefaults.", defaults
    for number, template in enumerate(spec.get("templates") or ()):
        yield from _nested(template, f"templates[{number}].")


def _nested(template: Json, path: str) -> Iterator[tuple[str, Json]]:
    yield path, template
    for at, step in _calls(template):
        if isinstance(step.get("inline"), dict):
            yield from _nested(step["inline"], f"{path}{at}.inline.")


def _calls(template: Json) -> Iterator[tuple[str, Json]]:
    for row, group in enumerate(template.get("steps") or ()):
        steps = group if isinstance(group, list) else [group]
        yield from ((f"steps[{row}][{n}]", step) for n, step in enumerate(steps))
    tasks = (template.get("dag") or {}).get("tasks") or ()
    yield from ((f"dag.tasks[{n}]", task) for n, task in enumerate(tasks))


def _common(holder: Json, path: str) -> Iterator[str]:
    """What a spec and a template both have."""
    yield from _set(holder.get("retryStrategy") or {}, ("affinity",), f"{path}retryStrategy.")
    for number, volume in enumerate(holder.get("volumes") or ()):
        at = f"{path}volumes[{number}]."
        yield from _set(volume.get("emptyDir") or {}, ("medium", "sizeLimit"), f"{at}emptyDir.")
        claim = volume.get("persistentVolumeClaim") or {}
        yield from _set(claim, ("readOnly",), f"{at}persistentVolumeClaim.")


def _artifacts(template: Json, path: str) -> Iterator[str]:
    for number, artifact in enumerate((template.get("outputs") or {}).get("artifacts") or ()):
        at = f"{path}outputs.artifacts[{number}].artifactGC."
        yield from _set(artifact.get("artifactGC") or {}, _OF_ARTIFACT_GC, at)


def _container(container: Json, path: str, *, daemon: bool) -> Iterator[str]:
    yield from _set(container, _OF_CONTAINER, path)
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        yield from _set(mount, _OF_MOUNT, f"{path}volumeMounts[{number}].")
    yield from _resources(container.get("resources") or {}, f"{path}resources.")
    if not daemon:
        yield from _set(container, _OF_DAEMONS, path)
        return
    for name in _OF_DAEMONS:
        yield from _set(container.get(name) or {}, _OF_PROBE, f"{path}{name}.")


def containers_of(template: Json) -> Iterator[tuple[str, Json]]:
    """All containers of a template, with the field each is in."""
    for kind in ("container", "script"):
        if isinstance(template.get(kind), dict):
            yield kind, template[kind]
    in_set = (template.get("containerSet") or {}).get("containers") or ()
    yield from ((f"containerSet.containers[{n}]", c) for n, c in enumerate(in_set))
    for name in _LISTS:
        yield from ((f"{name}[{n}]", c) for n, c in enumerate(template.get(name) or ()))


def _resources(resources: Json, path: str) -> Iterator[str]:
    """Of the limits memory and ephemeral-storage are kept; requests are a matter of scheduling."""
    kept = ("memory", "ephemeral-storage")
    limits = resources.get("limits") or {}
    yield from (f"{path}limits.{name}" for name in limits if name not in kept)
    yield from _set(resources, ("requests", "claims"), path)


def _set(holder: Json, names: tuple[str, ...], path: str) -> Iterator[str]:
    return (f"{path}{name}" for name in names if holder.get(name) not in (None, "", {}, [], False))
