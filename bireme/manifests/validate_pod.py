"""What of a template concerns its pod: init containers, reserved names, pod-level resources."""

from bireme.manifests.containers import PodResources
from bireme.manifests.template import Template
from bireme.manifests.validate_names import Invalid

_RESOURCES = frozenset(("cpu", "memory"))


def check_pod_settings(template: Template) -> None:
    """Init containers are named, sidecars do not take Argo's own names, resources belong to a pod."""
    where = f"templates.{template.name}"
    if any(not container.name for container in template.init_containers):
        raise Invalid("initContainers must all have container name")
    check_reserved(f"{where}.sidecars", [container.name for container in template.sidecars])
    if template.pod_resources is not None:
        if not template.is_pod and template.is_leaf:
            raise Invalid(f"{where}.podResources is not supported for {template.type} templates")
        check_pod_resources(f"{where}.podResources", template.pod_resources)
    if template.resource_claims and not template.is_pod:
        raise Invalid(
            f"{where}.resourceClaims is not supported for {template.type} templates, which do not create a pod"
        )


def check_reserved(where: str, names: list[str]) -> None:
    for name in names:
        if name in ("wait", "supervisor") or name.startswith("artifact-plugin-"):
            raise Invalid(f'{where}: "{name}" is a reserved Argo container name')


def check_pod_resources(where: str, resources: PodResources) -> None:
    """Only cpu, memory and huge pages can be given to a whole pod."""
    if resources.claims:
        raise Invalid(f"{where}.claims is not supported for pod-level resources")
    for section in (resources.limits, resources.requests):
        for name in section:
            if name not in _RESOURCES and not name.startswith("hugepages-"):
                raise Invalid(
                    f'{where}: "{name}" is not a valid pod-level resource, only cpu, memory and hugepages-* are'
                    " supported"
                )
