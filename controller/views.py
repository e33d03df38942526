"""A run as Argo's Workflow object: plain JSON values for the API, the command line and watches. Pure."""

from collections.abc import Mapping
from datetime import datetime

from controller.model import Definition, Json, labels_of, rfc3339


def workflow(
    definition: Definition,
    *,
    uid: str,
    created_at: datetime | None,
    phase: str,
    status: Json,
    version: int = 0,
    given: Mapping[str, Json] = {},
) -> Json:
    """The whole object. `version` (steps taken so far) becomes `resourceVersion`.

    `given` holds the `labels` and `annotations` that the workflow gave itself by `workflowMetadata`.
    """
    made = definition.metadata
    metadata: Json = {
        **made,
        "uid": uid,
        "creationTimestamp": rfc3339(created_at),
        "resourceVersion": str(version),
        "labels": labels_of({**(made.get("labels") or {}), **given.get("labels", {})}, phase),
    }
    if given.get("annotations"):
        metadata["annotations"] = {**(made.get("annotations") or {}), **given["annotations"]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": metadata,
        "spec": definition.manifest["spec"],
        "status": _with_stored(status, definition),
    }


def with_switches(found: Json, *, suspended: bool, shutdown: str) -> Json:
    """The object with the switches operators flip, where Argo keeps them: in the spec."""
    spec = {key: value for key, value in found["spec"].items() if key != "suspend"}
    if suspended:
        spec["suspend"] = True
    if shutdown:
        spec["shutdown"] = shutdown
    return {**found, "spec": spec}


def _with_stored(status: Json, definition: Definition) -> Json:
    if definition.stored_spec is None:
        return status
    return {**status, "storedWorkflowTemplateSpec": definition.stored_spec}


def heading(found: Mapping[str, Json]) -> str:
    """`namespace/name`, for logs and messages."""
    metadata = found["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
