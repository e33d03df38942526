"""Applied WorkflowTemplates and ClusterWorkflowTemplates, and what a workflow takes from them. Pure lookups."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bireme.kit.errors import InvalidManifest, Problem
from controller.model import Json

NAMESPACED, CLUSTER = "WorkflowTemplate", "ClusterWorkflowTemplate"


def _key(kind: str, namespace: str, name: str) -> tuple[str, str, str]:
    return kind, "" if kind == CLUSTER else namespace, name


def referred(reference: Mapping[str, Any], namespace: str) -> tuple[str, str, str]:
    """(kind, namespace, name) that a `templateRef` or `workflowTemplateRef` means."""
    if reference.get("clusterScope"):
        return CLUSTER, "", reference["name"]
    return NAMESPACED, namespace, reference["name"]


class TemplateShelf:
    """What is applied now. The deck puts and takes; the loop and the writer thread look things up.

    The whole mapping is replaced on each change, so that a reader in another thread sees the old or the new, never
    half of it. `version` grows with each change: what was compiled under an older one is stale. `changed` is called
    after each.
    """

    def __init__(self) -> None:
        self._manifests: dict[tuple[str, str, str], Json] = {}
        self.version = 0
        self.changed: Callable[[], None] = lambda: None

    def apply(self, manifest: Json) -> None:
        """Put or replace one template, as plain JSON values. The caller has validated it."""
        metadata = manifest["metadata"]
        name = _key(manifest["kind"], metadata.get("namespace") or "default", metadata["name"])
        self._manifests = {**self._manifests, name: manifest}
        self.version += 1
        self.changed()

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Take one away; runs that were born with it keep their copy."""
        gone = _key(kind, namespace, name)
        self._manifests = {k: v for k, v in self._manifests.items() if k != gone}
        self.version += 1
        self.changed()

    def template(self, kind: str, namespace: str, name: str) -> Json | None:
        """The applied manifest, or None."""
        return self._manifests.get(_key(kind, namespace, name))


def base_spec(spec: Json, shelf: TemplateShelf, namespace: str) -> Json | None:
    """The spec of the template that `workflowTemplateRef` names. Raises InvalidManifest when it is not applied."""
    reference = spec.get("workflowTemplateRef")
    if reference is None:
        return None
    kind, home, name = referred(reference, namespace)
    found = shelf.template(kind, home, name)
    if found is None:
        raise InvalidManifest([_missing(kind, name)])
    base: Json = found["spec"]
    return base


def _missing(kind: str, name: str) -> Problem:
    return Problem(
        message=f'{kind.lower()}s.argoproj.io "{name}" not found',
        path="spec.workflowTemplateRef",
        found=name,
        expected=f"the name of an applied {kind}",
        advice=f"apply the {kind} first",
    )


def closure(spec: Json, shelf: TemplateShelf, namespace: str) -> dict[str, Json]:
    """The specs of all templates that `templateRef`s reach from `spec`, directly or through one another.

    They are named as the engine names them, `namespaced/<name>` and `cluster/<name>`. What is not
    applied is left out: validation names it with its place.
    """
    found: dict[str, Json] = {}
    pending = list(_references(spec))
    while pending:
        kind, home, name = referred(pending.pop(), namespace)
        named = f"{'cluster' if kind == CLUSTER else 'namespaced'}/{name}"
        manifest = shelf.template(kind, home, name)
        if manifest is not None and named not in found:
            found[named] = manifest["spec"]
            pending.extend(_references(manifest["spec"]))
    return found


def _references(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        reference = value.get("templateRef")
        if isinstance(reference, dict) and isinstance(reference.get("name"), str):
            yield reference
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def config_maps(
    spec: Json, reached: Mapping[str, Json], shelf: TemplateShelf, namespace: str
) -> dict[str, dict[str, str]]:
    """The data of every config map that a `configMapKeyRef` names, by name, for those that may serve as parameters.

    References whose name holds a tag are only known at run time and are not found here.
    """
    found: dict[str, dict[str, str]] = {}
    for reference in _key_references([spec, *reached.values()]):
        manifest = shelf.template("ConfigMap", namespace, str(reference.get("name")))
        if manifest is None:
            continue
        labels = manifest["metadata"].get("labels") or {}
        if labels.get("workflows.argoproj.io/configmap-type") == "Parameter":
            data = manifest.get("data") or {}
            found[reference["name"]] = {key: str(value) for key, value in data.items()}
    return found


def _key_references(value: Any) -> Iterator[Json]:
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(reference := node.get("configMapKeyRef"), dict):
                yield reference
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
