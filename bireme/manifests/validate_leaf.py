"""Templates that do work themselves."""

from typing import Any

import yaml as pyyaml

from bireme.manifests.artifacts import Artifact
from bireme.manifests.bodies import ResourceTemplate
from bireme.manifests.containers import ContainerSet
from bireme.manifests.resolve import Base
from bireme.manifests.scope import tags
from bireme.manifests.template import Template
from bireme.manifests.validate_names import Invalid, check_acyclic, check_names, is_placeholder
from bireme.manifests.validate_pod import check_reserved
from bireme.manifests.values import as_int, is_int_or_variable

_ACTIONS = ("get", "create", "apply", "delete", "replace", "patch")


def check_leaf(template: Template, home: Base) -> None:
    """A leaf or suspend template whose variables are in order. Raises Invalid."""
    where = f"templates.{template.name}"
    if template.container is not None:
        _check_mounts(
            where, "container", template.container.volume_mounts, template.inputs.artifacts
        )
        if not template.container.image and "container" not in home.default_images:
            raise Invalid(f"{where}.container.image may not be empty")
    if template.container_set is not None:
        _check_container_set(where, template, template.container_set)
    if template.resource is not None:
        _check_resource(where, template.resource, template.inputs.artifacts)
    if template.script is not None:
        _check_mounts(where, "script", template.script.volume_mounts, template.inputs.artifacts)
        if not template.script.image and "script" not in home.default_images:
            raise Invalid(f"{where}.script.image may not be empty")
    if template.plugin is not None and len(template.plugin) != 1:
        count = len(template.plugin)
        raise Invalid(f"{where}.plugin: expected exactly one key, got {count}")
    _check_limits(where, template)


def check_not_leaf(template: Template) -> None:
    """What only a leaf may have."""
    if template.active_deadline_seconds is not None:
        raise Invalid(
            f"templates.{template.name}.activeDeadlineSeconds is only valid for leaf templates"
        )


def _check_limits(where: str, template: Template) -> None:
    deadline = template.active_deadline_seconds
    if deadline is not None:
        seconds = as_int(deadline)
        is_late = is_int_or_variable(deadline) or is_placeholder(str(deadline))
        if not is_late or (seconds is not None and seconds < 0):
            raise Invalid(
                f"{where}.activeDeadlineSeconds must be a positive integer > 0 or an argo variable"
            )
    if template.parallelism is not None:
        raise Invalid(f"{where}.parallelism is only valid for steps and dag templates")


def _check_mounts(
    where: str, part: str, mounts: list[dict[str, Any]], artifacts: list[Artifact]
) -> None:
    """No two volumes, and no artifact and volume, on one path."""
    taken: dict[str, str] = {}
    for index, mount in enumerate(mounts):
        path = str(mount.get("mountPath", ""))
        if path in taken:
            raise Invalid(
                f"{where}.{part}.volumeMounts[{index}].mountPath '{path}' already mounted in {taken[path]}"
            )
        taken[path] = f"{part}.volumeMounts.{mount.get('name', '')}"
    _check_artifact_mounts(where, artifacts, taken)


def _check_artifact_mounts(where: str, artifacts: list[Artifact], taken: dict[str, str]) -> None:
    for index, artifact in enumerate(artifacts):
        if artifact.path in taken:
            raise Invalid(
                f"{where}.inputs.artifacts[{index}].path '{artifact.path}' already mounted in {taken[artifact.path]}"
            )
        taken[artifact.path] = f"inputs.artifacts.{artifact.name}"


def _check_container_set(where: str, template: Template, body: ContainerSet) -> None:
    try:
        _check_containers(body)
    except Invalid as error:
        raise Invalid(f"{where}.containerSet.{error}") from None
    outputs = template.outputs
    exchanges = template.inputs.artifacts or outputs.parameters or outputs.artifacts
    if exchanges and all(node.name != "main" for node in body.containers):
        raise Invalid(
            f'{where}.containerSet.containers must have a container named "main" for input or output'
        )
    taken = {
        str(mount.get("mountPath", "")): f"containerSet.volumeMounts.{mount.get('name', '')}"
        for mount in body.volume_mounts
    }
    _check_artifact_mounts(where, template.inputs.artifacts, taken)


def _check_containers(body: ContainerSet) -> None:
    if not body.containers:
        raise Invalid("containers must have at least one container")
    names = [node.name for node in body.containers]
    try:
        check_names(names)
    except Invalid as error:
        raise Invalid(f"containers{error}") from None
    check_reserved("containers", names)
    taken: dict[str, str] = {}
    for index, mount in enumerate(body.volume_mounts):
        path = str(mount.get("mountPath", ""))
        if path in taken:
            raise Invalid(
                f"volumeMounts[{index}].mountPath '{path}' already mounted in {taken[path]}"
            )
        taken[path] = f"volumeMounts.{mount.get('name', '')}"
    for node in body.containers:
        for dependency in node.dependencies:
            if dependency not in names:
                raise Invalid(f"containers.{node.name} dependency '{dependency}' not defined")
    try:
        check_acyclic({node.name: node.dependencies for node in body.containers})
    except Invalid as error:
        raise Invalid(f"containers {error}") from None


def _check_resource(where: str, body: ResourceTemplate, artifacts: list[Artifact]) -> None:
    if body.action not in _ACTIONS:
        raise Invalid(f"{where}.resource.action must be one of: {', '.join(_ACTIONS)}")
    if body.action in ("get", "delete"):
        return
    source = body.manifest_from
    if not body.manifest and source is None:
        raise Invalid(
            f"either {where}.resource.manifest or {where}.resource.manifestFrom must be specified"
        )
    if body.manifest and source is not None:
        raise Invalid(
            "shouldn't have both `manifest` and `manifestFrom` specified in `Manifest` for resource template"
        )
    wanted = source.artifact.name if source is not None and source.artifact is not None else None
    if wanted is not None and wanted not in {artifact.name for artifact in artifacts}:
        raise Invalid(f"artifact {wanted} in `manifestFrom` refer to a non-exist artifact")
    if body.manifest and not is_placeholder(body.manifest):
        _check_manifest(where, body.manifest)


def _check_manifest(where: str, manifest: str) -> None:
    blanked = _without_expressions(manifest)
    try:
        for event in pyyaml.parse(blanked, Loader=pyyaml.CLoader):
            del event
    except pyyaml.YAMLError as error:
        raise Invalid(f"{where}.resource.manifest must be a valid yaml") from error


def _without_expressions(text: str) -> str:
    for start, end, tag in reversed(list(tags(text))):
        if tag.startswith("="):
            text = text[:start] + text[end:]
    return text
