"""Parts of a pod inside a workflow have the types of the Kubernetes API, as Argo's own decoding demands. Pure.

Unknown fields are let pass, as Argo does. A tag stands only where a text may stand.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from bireme.manifests.pod_fields import containers_of, templates_of
from bireme.manifests.pod_types import FIELDS
from bireme.manifests.typed import Fault, convert
from bireme.manifests.yaml import join

Json = dict[str, Any]

_POD: Final = {
    "affinity": "Affinity",
    "hostAliases": "list HostAlias",
    "resourceClaims": "list PodResourceClaim",
    "securityContext": "PodSecurityContext",
    "tolerations": "list Toleration",
    "volumes": "list Volume",
}
_SPEC: Final = {
    **_POD,
    "dnsConfig": "PodDNSConfig",
    "imagePullSecrets": "list LocalObjectReference",
    "podDisruptionBudget": "PodDisruptionBudgetSpec",
    "volumeClaimTemplates": "list PersistentVolumeClaim",
}
_TEMPLATE: Final = {**_POD, "podResources": "ResourceRequirements"}
_CONTAINER: Final = {
    "env": "list EnvVar",
    "envFrom": "list EnvFromSource",
    "lifecycle": "Lifecycle",
    "livenessProbe": "Probe",
    "ports": "list ContainerPort",
    "readinessProbe": "Probe",
    "resizePolicy": "list ContainerResizePolicy",
    "resources": "ResourceRequirements",
    "restartPolicyRules": "list ContainerRestartRule",
    "securityContext": "SecurityContext",
    "startupProbe": "Probe",
    "volumeDevices": "list VolumeDevice",
    "volumeMounts": "list VolumeMount",
}
_SCALARS: Final[dict[str, Any]] = {
    "string": str, "bool": bool, "int": int, "number": float, "intOrString": int | str,
}  # fmt: skip
_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")


def shape_faults(spec: Json, root: str) -> Iterator[Fault]:
    """What has another type than Kubernetes gives it, in a workflow's spec that is otherwise typed."""
    yield from _fields(spec, _SPEC, root)
    for path, template in templates_of(spec):
        at = f"{root}.{path}"
        yield from _fields(template, _TEMPLATE, at[:-1])
        in_set = template.get("containerSet") or {}
        yield from _fields(in_set, {"volumeMounts": "list VolumeMount"}, f"{at}containerSet")
        for name, container in containers_of(template):
            yield from _fields(container, _CONTAINER, f"{at}{name}")


def _fields(holder: Json, kinds: dict[str, str], path: str) -> Iterator[Fault]:
    for name in filter(kinds.__contains__, holder):
        yield from _faults(holder[name], kinds[name], join(path, name))


def _faults(value: Any, kind: str, path: str) -> Iterator[Fault]:
    outer, _, inner = kind.partition(" ")
    if value is None or (outer == "string" and type(value) is str):
        return
    if outer in _SCALARS:
        yield from convert(value, _SCALARS[outer], path)[1]
    elif outer == "quantity":
        yield from _of_quantity(value, path)
    elif outer == "list" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _faults(item, inner, f"{path}[{number}]")
    elif outer != "list" and isinstance(value, dict):
        kinds = dict.fromkeys(value, inner) if outer == "map" else FIELDS[outer]
        yield from _fields(value, kinds, path)
    else:
        yield from convert(value, list[Any] if outer == "list" else Json, path)[1]


def _of_quantity(value: Any, path: str) -> Iterator[Fault]:
    if isinstance(value, str | int | float) and _QUANTITY.fullmatch(str(value)):
        return
    expected, found = "a quantity such as 500m or 1Gi", repr(value)
    yield Fault(path, f"expected {expected}, found {found}", found, expected)
