"""The `argoWorkflow` trigger: submits a workflow, or operates on one.

    template:
      name: build
      argoWorkflow:
        operation: submit
        source:
          resource: {kind: Workflow, metadata: {generateName: build-}, spec: {workflowTemplateRef: {name: build}}}
        parameters:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: spec.arguments.parameters.0.value}

A submission is rows in our own database: where the sensor holds the object itself, it happens in the same commit as
the event and the decision. What is read from elsewhere (`git`, `s3`, `url`, `file`, `configmap`) is read when the
trigger acts, and submitted under the name that the firing alone decides. The same firing resubmits once; suspending,
stopping and the like twice is what it is once.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from bireme.storage.ports import Transaction
from events.model import Event
from sensors import cli_flags, definition, fetching, fields, labels, policy, submitting
from sensors.errors import BadSensor
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_OPERATIONS = frozenset({"resubmit", "retry", "resume", "suspend", "stop", "terminate"})
_REFERENCES = {
    "workflowtemplate": {},
    "clusterworkflowtemplate": {"clusterScope": True},
}


@triggers.register("argoWorkflow")
class ArgoWorkflowTrigger:
    """Makes workflows, named after the firing that asked for them."""

    class Config(fields.Fields, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        operation: str = ""
        source: fields.ManifestSource | None = None
        args: list[str] = []

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.fetcher = fetching.Fetcher(surroundings)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        template = definition.template(given, events)
        block: Json = template.get("argoWorkflow") or {}
        operation, flags = block.get("operation") or "submit", block.get("args") or []
        if operation not in ("submit", "submit-from", *_OPERATIONS):
            raise BadSensor(f"unknown workflow operation type {operation}")
        spec = {"operation": operation, "flags": flags, "at": origin.at}
        if given.get("policy"):
            spec["policy"] = policy.wanted(given)
        start = fetching.begun("argoWorkflow", block, events)
        if "object" in start:
            return _act(spec, start["object"], origin)
        return {**spec, "start": start}

    def is_complete(self, firing: Firing) -> bool:
        spec = firing.spec or {}
        return "start" not in spec and "cron" not in spec

    async def complete(self, firing: Firing) -> Firing:
        spec = firing.spec or {}
        origin = Origin(firing.namespace, firing.sensor, firing.trigger, spec["at"])
        if "start" in spec:
            found = await self.fetcher.finished(spec["start"], firing)
            spec = _act(_without(spec, "start"), found, origin)
        if cron := spec.get("cron"):
            made = await self.around.workflows.of_cron(cron["namespace"], cron["name"])
            spec = _submission(_without(spec, "cron"), made, origin)
        return replace(firing, spec=spec)

    def fits_inside(self, firing: Firing) -> bool:
        spec = firing.spec or {}
        return "manifest" in spec and not spec.get("policy")

    def fire_inside(self, tx: Transaction, firing: Firing) -> Receipt:
        made = self.around.workflows.submit(tx, (firing.spec or {})["manifest"], firing.id)
        return submitting.receipt(made)

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        if "manifest" in spec:
            return await submitting.submit(self.around, firing)
        made = await self.around.workflows.operate(
            spec["namespace"], spec["name"], spec["operation"], spec["options"], firing.id
        )
        return submitting.receipt(
            {"namespace": spec["namespace"], "name": spec["name"], **made}, spec["operation"]
        )

    async def close(self) -> None:
        await self.fetcher.close()


def _act(spec: Json, manifest: Json, origin: Origin) -> Json:
    """What is to be done with the object: submit what it is or refers to, or operate on the workflow it names."""
    operation: str = spec["operation"]
    metadata: Json = manifest.get("metadata") or {}
    name = metadata.get("name") or ""
    if operation == "submit":
        if not name and not metadata.get("generateName"):
            raise BadSensor(
                "failed to trigger the workflow, neither name nor generateName is given"
            )
        return _submission(spec, manifest, origin)
    if not name:
        raise BadSensor(f"failed to execute the workflow {operation} operation, no name is given")
    if operation == "submit-from":
        return _from(spec, manifest, origin)
    return {
        "operation": operation,
        "namespace": metadata.get("namespace") or origin.namespace,
        "name": name,
        "options": cli_flags.options(spec["flags"]),
    }


def _from(spec: Json, manifest: Json, origin: Origin) -> Json:
    """What `submit --from` makes: known at once for a template, asked for when the trigger acts for a schedule."""
    kind, metadata = str(manifest.get("kind")), manifest["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace") or origin.namespace
    if kind.lower() == "cronworkflow":
        return {**spec, "cron": {"namespace": namespace, "name": name}}
    if kind.lower() not in _REFERENCES:
        raise BadSensor(
            f"invalid kind {kind}: submit-from takes a WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow"
        )
    made = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{name}-", "namespace": namespace},
        "spec": {"workflowTemplateRef": {"name": name, **_REFERENCES[kind.lower()]}},
    }
    return _submission(spec, made, origin)


def _submission(spec: Json, manifest: Json, origin: Origin) -> Json:
    """The workflow with Argo's three labels, its namespace, and what the command line flags ask for."""
    made = cli_flags.apply(labels.labelled(manifest, origin), spec["flags"])
    kept = {"policy": spec["policy"]} if spec.get("policy") else {}
    return {"operation": "submit", "manifest": made, **kept}


def _without(spec: Json, name: str) -> Json:
    return {key: value for key, value in spec.items() if key != name}
