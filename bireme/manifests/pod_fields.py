"""Fields that mean something to a pod alone. Where steps are processes of one machine they have no effect. Pure."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_POD = (
    "affinity", "automountServiceAccountToken", "hostAliases", "nodeSelector", "podSpecPatch", "priorityClassName",
    "resourceClaims", "schedulerName", "securityContext", "serviceAccountName", "tolerations",
)  # fmt: skip
_OF_SPEC = (
    *_POD, "dnsConfig", "dnsPolicy", "hostNetwork", "imagePullSecrets", "podDisruptionBudget", "podGC",
    "podMetadata", "podPriorityClassName", "volumeClaimGC",
)  # fmt: skip
_OF_TEMPLATE = (*_POD, "executor", "metadata", "podResources")
_OF_CONTAINER = (
    "imagePullPolicy", "lifecycle", "livenessProbe", "resizePolicy", "restartPolicy", "securityContext", "stdin",
    "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices",
)  # fmt: skip
_OF_DAEMONS = ("readinessProbe", "startupProbe")
_LISTS = ("initContainers", "sidecars")


def pod_fields(spec: Json) -> Iterator[str]:
    """The paths below the workflow's spec of all such fields that are set."""
    yield from _set(spec, _OF_SPEC, "")
    for number, template in enumerate(spec.get("templates") or ()):
        path = f"templates[{number}]."
        yield from _set(template, _OF_TEMPLATE, path)
        for at, container in _containers(template):
            yield from _set(container, _OF_CONTAINER, f"{path}{at}.")
            if not template.get("daemon"):
                yield from _set(container, _OF_DAEMONS, f"{path}{at}.")
            yield from _resources(container.get("resources") or {}, f"{path}{at}.resources.")


def _containers(template: Json) -> Iterator[tuple[str, Json]]:
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
