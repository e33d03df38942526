"""The `argoWorkflow` trigger: submits a workflow, or operates on one.

    template:
      name: build
      argoWorkflow:
        operation: submit
        source:
          resource: {kind: Workflow, metadata: {generateName: build-}, spec: {workflowTemplateRef: {name: build}}}
        parameters:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: spec.arguments.parameters.0.value}

A submission is rows in our own database: it happens in the same commit as the event and the decision.
"""

from collections.abc import Mapping
from typing import Any

from bireme.storage.ports import Transaction
from events.model import Event
from sensors import cli_flags, definition, parameters
from sensors.errors import BadSensor, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_OPERATIONS = frozenset({"resubmit", "retry", "resume", "suspend", "stop", "terminate"})
_TEMPLATES = {"workflowtemplate": "WorkflowTemplate"}
_SOURCES = ("s3", "inline", "file", "url", "git", "configmap", "resource")


@triggers.register("argoWorkflow")
class ArgoWorkflowTrigger:
    """Makes workflows, named after the firing that asked for them."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.workflows = surroundings.workflows

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        template = definition.template(given, events)
        block: Json = template.get("argoWorkflow") or {}
        level = parameters.decode(block.get("parameters"))
        manifest = parameters.apply(_fetch(block.get("source") or {}), level, events)
        if not isinstance(manifest, dict):
            raise BadSensor("argoWorkflow.source does not hold one object")
        return _act(block.get("operation") or "submit", manifest, block.get("args") or [], origin)

    def fits_inside(self, firing: Firing) -> bool:
        return (firing.spec or {}).get("operation") == "submit"

    def fire_inside(self, tx: Transaction, firing: Firing) -> Receipt:
        made = self.workflows.submit(tx, (firing.spec or {})["manifest"], firing.id)
        return Receipt(
            kind="Workflow", namespace=made["namespace"], name=made["name"], uid=made["uid"]
        )

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        options: Json = spec["options"]
        made = await self.workflows.operate(
            spec["namespace"], spec["name"], spec["operation"], options
        )
        return Receipt(
            kind="Workflow",
            namespace=made.get("namespace", spec["namespace"]),
            name=made.get("name", spec["name"]),
            uid=made.get("uid", ""),
            note=spec["operation"],
        )

    async def close(self) -> None:
        """Holds nothing."""


def _fetch(source: Json) -> Any:
    kind = next((name for name in _SOURCES if source.get(name) is not None), "")
    if kind == "resource":
        return source["resource"]
    if kind == "inline":
        return _parse(source["inline"])
    if not kind:
        raise BadSensor("unknown artifact location: argoWorkflow.source needs inline or resource")
    raise BadSensor(f"argoWorkflow.source.{kind} is not supported yet; use inline or resource")


def _parse(text: str) -> Any:
    import yaml

    try:
        return next(iter(yaml.safe_load_all(text)), None)
    except yaml.YAMLError as error:
        raise BadSensor(f"argoWorkflow.source.inline is not YAML: {error}") from error


def _act(operation: str, manifest: Json, flags: list[str], origin: Origin) -> Json:
    metadata: Json = manifest.get("metadata") or {}
    name = metadata.get("name") or ""
    if operation == "submit":
        if not name and not metadata.get("generateName"):
            raise BadSensor(
                "failed to trigger the workflow, neither name nor generateName is given"
            )
        return {"operation": "submit", "manifest": _labelled(manifest, flags, origin)}
    if not name:
        raise BadSensor(f"failed to execute the workflow {operation} operation, no name is given")
    if operation == "submit-from":
        made = _from_template(manifest, name)
        return {"operation": "submit", "manifest": _labelled(made, flags, origin)}
    if operation not in _OPERATIONS:
        raise BadSensor(f"unknown workflow operation type {operation}")
    return {
        "operation": operation,
        "namespace": metadata.get("namespace") or origin.namespace,
        "name": name,
        "options": cli_flags.options(flags),
    }


def _from_template(manifest: Json, name: str) -> Json:
    kind = str(manifest.get("kind"))
    if kind.lower() not in _TEMPLATES:
        raise TriggerRefused(f"invalid kind {kind}: submit-from takes a WorkflowTemplate")
    metadata = manifest["metadata"]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{name}-", "namespace": metadata.get("namespace")},
        "spec": {"workflowTemplateRef": {"name": name}},
    }


def _labelled(manifest: Json, flags: list[str], origin: Origin) -> Json:
    """The workflow with Argo's three labels, its namespace, and what the command line flags ask for."""
    metadata = dict(manifest.get("metadata") or {})
    metadata["namespace"] = metadata.get("namespace") or origin.namespace
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        "events.argoproj.io/sensor": origin.sensor,
        "events.argoproj.io/trigger": origin.trigger,
        "events.argoproj.io/action-timestamp": str(int(origin.at * 1000)),
    }
    return cli_flags.apply({**manifest, "metadata": metadata}, flags)
