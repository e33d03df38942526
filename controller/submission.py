"""From a manifest and options to the workflow object that is created. Pure: names and times come in as data."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from controller.ports import BadOption

Json = dict[str, Any]
Kind = Literal["Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"]

PREFIX = "workflows.argoproj.io/"
PHASE = PREFIX + "phase"
COMPLETED = PREFIX + "completed"
RESUBMITTED_FROM = PREFIX + "resubmitted-from-workflow"
SCHEDULED_TIME = PREFIX + "scheduled-time"
CRON = PREFIX + "cron-workflow"
_TEMPLATE_LABELS = {
    "WorkflowTemplate": PREFIX + "workflow-template",
    "ClusterWorkflowTemplate": PREFIX + "cluster-workflow-template",
}
_OWN_TO_A_RUN = ("creator", "creator-email", "creator-preferred-username", "phase", "completed",
                 "workflow-archiving-status")  # fmt: skip
_FROM = {
    "cronwf": "CronWorkflow", "cwf": "CronWorkflow", "cronworkflow": "CronWorkflow",
    "cronworkflows": "CronWorkflow", "wftmpl": "WorkflowTemplate",
    "workflowtemplate": "WorkflowTemplate", "workflowtemplates": "WorkflowTemplate",
    "cwft": "ClusterWorkflowTemplate", "cwftmpl": "ClusterWorkflowTemplate",
    "clusterworkflowtemplate": "ClusterWorkflowTemplate",
    "clusterworkflowtemplates": "ClusterWorkflowTemplate",
}  # fmt: skip


class SubmitOptions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Argo's `submitOptions`. Unknown ones are refused by the API's own decoding."""

    name: str = ""
    generate_name: str = ""
    entry_point: str = ""
    parameters: list[str] = []
    service_account: str = ""
    labels: str = ""
    annotations: str = ""
    pod_priority_class_name: str = ""
    priority: int | None = None
    artifacts: list[str] = []
    dry_run: bool = False
    server_dry_run: bool = False


def apply_options(manifest: Json, options: SubmitOptions) -> Json:
    """A copy of the workflow with the options in it. Raises BadOption naming the one that cannot be read."""
    metadata = dict(manifest.get("metadata") or {})
    spec = dict(manifest.get("spec") or {})
    _apply_names(metadata, options)
    for field, text in (("labels", options.labels), ("annotations", options.annotations)):
        if text:
            metadata[field] = {**(metadata.get(field) or {}), **parse_labels(text)}
    _apply_fields(spec, options)
    arguments = dict(spec.get("arguments") or {})
    if options.parameters:
        arguments["parameters"] = override(arguments.get("parameters") or [], options.parameters)
    if options.artifacts:
        referring = "workflowTemplateRef" in spec
        artifacts = arguments.get("artifacts") or []
        arguments["artifacts"] = override_artifacts(artifacts, options.artifacts, referring)
    if arguments:
        spec["arguments"] = arguments
    return {**manifest, "metadata": metadata, "spec": spec}


def _apply_names(metadata: Json, options: SubmitOptions) -> None:
    if options.generate_name:
        metadata.pop("name", None)
        metadata["generateName"] = options.generate_name
    if options.name:
        metadata.pop("generateName", None)
        metadata["name"] = options.name


def _apply_fields(spec: Json, options: SubmitOptions) -> None:
    given = {
        "entrypoint": options.entry_point,
        "serviceAccountName": options.service_account,
        "podPriorityClassName": options.pod_priority_class_name,
    }
    spec.update({field: value for field, value in given.items() if value})
    if options.priority is not None:
        spec["priority"] = options.priority


def parse_labels(text: str) -> dict[str, str]:
    """`a=1,b=2` as a mapping."""
    found = {}
    for part in text.split(","):
        key, separator, value = part.partition("=")
        if not separator or not key:
            raise BadOption(f"expected KEY=VALUE, found '{part}' in '{text}'")
        found[key.strip()] = value
    return found


def override(existing: Sequence[Json], texts: Sequence[str]) -> list[Json]:
    """Parameters with `k=v` texts put first, then the others as they were. Unknown names are added, as Argo does."""
    given: dict[str, Json] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise BadOption(f"expected parameter of the form: NAME=VALUE. Received: {text}")
        given[name] = {"name": name, "value": value}
    return [*given.values(), *(item for item in existing if item["name"] not in given)]


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """`k=v` texts as a mapping. Raises BadOption."""
    return {item["name"]: item["value"] for item in override([], texts)}


def parse_artifacts(texts: Sequence[str] | None) -> dict[str, str]:
    """`name=key` texts as a mapping; the last one of a name wins."""
    found = {}
    for text in texts or ():
        name, _, key = text.partition("=")
        if not name or not key:
            raise BadOption(f"expected artifact of the form: NAME=KEY. Received: {text}")
        found[name] = key
    return found


def override_artifacts(
    existing: Sequence[Json], texts: Sequence[str], referring: bool
) -> list[Json]:
    """Artifacts with new keys. Where the workflow refers to a template, an unknown name may be the template's."""
    keys = parse_artifacts(texts)
    unknown = keys.keys() - {item["name"] for item in existing}
    if unknown and not referring:
        raise BadOption(
            f"artifact not found in the workflow's arguments: {', '.join(sorted(unknown))}"
        )
    changed = [
        _with_key(item, keys[item["name"]]) if item["name"] in keys else item for item in existing
    ]
    return changed + [{"name": name, "s3": {"key": keys[name]}} for name in sorted(unknown)]


_KEYED = ("s3", "gcs", "oss", "azure", "hdfs", "artifactory")


def _with_key(artifact: Json, key: str) -> Json:
    field = {"azure": "blob", "hdfs": "path", "artifactory": "url"}
    for kind in _KEYED:
        if kind in artifact:
            return {**artifact, kind: {**artifact[kind], field.get(kind, "key"): key}}
    return {**artifact, "s3": {"key": key}}


def parse_from(text: str) -> tuple[Kind, str]:
    """`cronwf/nightly` or `wftmpl/build` as kind and name."""
    kind, _, name = text.partition("/")
    if kind.lower() not in _FROM or not name:
        raise BadOption(
            f"cannot submit from '{text}'; expected cronwf/NAME, wftmpl/NAME or cwft/NAME"
        )
    return _FROM[kind.lower()], name  # type: ignore[return-value]


def kind_of(text: str) -> Kind:
    """A resource kind as clients write it."""
    if text.lower() not in _FROM:
        raise BadOption(f"resource kind '{text}' is not supported for submitting")
    return _FROM[text.lower()]  # type: ignore[return-value]


def template_label(spec: Any) -> dict[str, str]:
    """The label that says which template a workflow refers to; empty when it refers to none."""
    reference = spec.get("workflowTemplateRef") if isinstance(spec, dict) else None
    if not isinstance(reference, dict) or not isinstance(reference.get("name"), str):
        return {}
    kind = "ClusterWorkflowTemplate" if reference.get("clusterScope") else "WorkflowTemplate"
    return {_TEMPLATE_LABELS[kind]: reference["name"]}


def from_template(kind: Kind, namespace: str, name: str) -> Json:
    """A workflow that refers to the template and takes its name from it."""
    reference: Json = {"name": name}
    if kind == "ClusterWorkflowTemplate":
        reference["clusterScope"] = True
    metadata = {"generateName": f"{name}-", "namespace": namespace}
    return _workflow(metadata, {"workflowTemplateRef": reference})


def from_cron(cron: Mapping[str, Any], scheduled: str, name: str = "") -> Json:
    """The workflow of one firing. Without `name` it is a manual run, which gets one like `<cron>-x2f4g`."""
    own = cron["metadata"]
    extra = (cron.get("spec") or {}).get("workflowMetadata") or {}
    metadata: Json = {
        "namespace": own.get("namespace") or "default",
        "labels": {
            **_creators(own.get("labels") or {}),
            **(extra.get("labels") or {}),
            CRON: own["name"],
        },
        "annotations": {**(extra.get("annotations") or {}), SCHEDULED_TIME: scheduled},
    }
    if extra.get("finalizers"):
        metadata["finalizers"] = extra["finalizers"]
    metadata.update({"name": name} if name else {"generateName": f"{own['name']}-"})
    return _workflow(metadata, dict(cron["spec"]["workflowSpec"]))


def _creators(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key.startswith(PREFIX + "creator")}


def _workflow(metadata: Json, spec: Json) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": metadata,
        "spec": spec,
    }


def resubmitted(manifest: Mapping[str, Any], parameters: Sequence[str] = ()) -> Json:
    """A new workflow made like an old one: its name, labels of its run and shutdown are not taken over."""
    old = manifest["metadata"]
    labels = {k: v for k, v in (old.get("labels") or {}).items() if not _belongs_to_a_run(k)}
    metadata: Json = {
        "namespace": old.get("namespace", "default"),
        "generateName": old.get("generateName") or f"{old['name']}-",
        "labels": {**labels, RESUBMITTED_FROM: old["name"]},
    }
    metadata.update({key: old[key] for key in ("annotations", "ownerReferences") if old.get(key)})
    spec = {key: value for key, value in manifest["spec"].items() if key != "shutdown"}
    if spec.get("activeDeadlineSeconds") == 0:
        del spec["activeDeadlineSeconds"]
    made = _workflow(metadata, spec)
    return apply_options(made, SubmitOptions(parameters=list(parameters)))


def _belongs_to_a_run(label: str) -> bool:
    return label.startswith(PREFIX) and label.removeprefix(PREFIX) in _OWN_TO_A_RUN
