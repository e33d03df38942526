"""The `k8s` trigger: makes, changes or deletes an object.

    template:
      name: build
      k8s:
        operation: create
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: build-}
            spec: {workflowTemplateRef: {name: build}}
        parameters:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: spec.arguments.parameters.0.value}

`operation` is create (the default), update, patch or delete. Without a cluster, Workflows are this engine's own: made
in the same commit as the event, deleted, and by `patch` of `spec.suspend` or `spec.shutdown` paused, resumed, stopped;
objects of other kinds need a cluster, and the firing says so. What a firing makes has a name that the firing decides,
and carries its id: made again it is the same object.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from bireme.kit.errors import Conflict
from bireme.storage.ports import Transaction
from events.model import Event
from sensors import definition, fetching, fields, labels, objects, parameters, policy, submitting
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.ports import Cluster
from sensors.registry import triggers
from sensors.surroundings import Surroundings

Json = dict[str, Any]

_OPERATIONS = ("create", "update", "patch", "delete")
_STRATEGIES = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@triggers.register("k8s")
class K8sTrigger:
    """Acts on a cluster, or on this engine's own workflows."""

    class Config(fields.Fields, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        operation: str = ""
        source: fields.ManifestSource | None = None
        patch_strategy: str = ""
        live_object: bool = False

    def __init__(self, surroundings: Surroundings) -> None:
        self.around = surroundings
        self.fetcher = fetching.Fetcher(surroundings)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block: Json = definition.template(given, events).get("k8s") or {}
        operation = block.get("operation") or "create"
        strategy = block.get("patchStrategy") or _STRATEGIES[0]
        if operation not in _OPERATIONS:
            raise BadSensor(f"unknown operation type {operation}")
        if strategy not in _STRATEGIES:
            raise BadSensor(f"k8s.patchStrategy is {strategy!r}, expected one of {_STRATEGIES}")
        is_live = bool(block.get("liveObject")) and operation == "update"
        spec = {
            "operation": operation,
            "strategy": strategy,
            "at": origin.at,
            "policy": policy.wanted(given),
        }
        if is_live:
            start = fetching.begun("k8s", {**block, "parameters": []}, events)
            level = parameters.decode(block.get("parameters"))
            found = list(parameters.placements(level, events))
            return {**spec, "start": start, "live": parameters.rows(found)}
        start = fetching.begun("k8s", block, events)
        if "object" in start:
            return self._aimed(spec, start["object"], origin)
        return {**spec, "start": start}

    def is_complete(self, firing: Firing) -> bool:
        return "start" not in (firing.spec or {})

    async def complete(self, firing: Firing) -> Firing:
        spec = dict(firing.spec or {})
        origin = Origin(firing.namespace, firing.sensor, firing.trigger, spec["at"])
        thing = await self.fetcher.finished(spec.pop("start"), firing)
        if "live" in spec:
            thing = await self._live(objects.placed(thing, firing.namespace), spec.pop("live"))
        return replace(firing, spec=self._aimed(spec, thing, origin))

    def fits_inside(self, firing: Firing) -> bool:
        spec = firing.spec or {}
        return "manifest" in spec and not spec.get("policy")

    def fire_inside(self, tx: Transaction, firing: Firing) -> Receipt:
        made = self.around.workflows.submit(tx, (firing.spec or {})["manifest"], firing.id)
        return submitting.receipt(made, "create")

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        if "manifest" in spec:
            return await submitting.submit(self.around, firing)
        thing: Json = spec["object"]
        cluster = self.around.cluster
        if cluster is None and objects.is_workflow(thing):
            return await self._own(firing, thing)
        if cluster is None:
            raise TriggerRefused(
                f"k8s: {spec['operation']} of {thing.get('kind')} {_name(thing)} needs a cluster,"
                " and this engine has none: start it with BIREME_KUBECONFIG. Workflows work without"
            )
        return await _act(cluster, firing, self.around)

    async def close(self) -> None:
        await self.fetcher.close()
        if self.around.cluster is not None:  # nobody else uses it
            await self.around.cluster.close()

    def _aimed(self, spec: Json, thing: Json, origin: Origin) -> Json:
        """The act itself: a workflow to submit, or an object and what to do with it."""
        operation = spec["operation"]
        _check_name(operation, thing)
        if operation != "create":
            return {**spec, "object": objects.placed(thing, origin.namespace)}
        labelled = labels.labelled(thing, origin)
        if self.around.cluster is None and objects.is_workflow(thing):
            return {**spec, "manifest": labelled}
        return {**spec, "object": objects.placed(labelled, origin.namespace)}

    async def _live(self, thing: Json, placements: list[Json]) -> Json:
        """The object as the cluster has it, with the values placed in it."""
        if self.around.cluster is None:
            raise TriggerRefused("k8s.liveObject needs a cluster, and this engine has none")
        found = await self.around.cluster.get(thing)
        if found is None:
            raise TriggerFailed(
                f"failed to retrieve existing object. err: {thing.get('kind')} {_name(thing)} not found"
            )
        for item in parameters.from_rows(placements):
            found = parameters.place(found, item)
        return found

    async def _own(self, firing: Firing, thing: Json) -> Receipt:
        """An operation on one of our own workflows."""
        spec = firing.spec or {}
        operation = "delete" if spec["operation"] == "delete" else _wish(spec, thing)
        metadata = thing["metadata"]
        made = await self.around.workflows.operate(
            metadata["namespace"], metadata["name"], operation, {}, firing.id
        )
        return submitting.receipt(made, operation)


def _name(thing: Json) -> str:
    return str((thing.get("metadata") or {}).get("name") or "")


def _check_name(operation: str, thing: Json) -> None:
    if not thing.get("kind") or not thing.get("apiVersion"):
        raise BadSensor("k8s.source: the object needs apiVersion and kind")
    if operation == "create" and (thing.get("metadata") or {}).get("generateName"):
        return
    if not _name(thing):
        raise BadSensor(f"k8s.source: {operation} needs metadata.name, and the object has none")


_SHUTDOWN = {"Stop": "stop", "Terminate": "terminate"}


def _wish(spec: Json, thing: Json) -> str:
    """What a change of a workflow's spec comes to in this engine."""
    changed = thing.get("spec") or {}
    if spec["operation"] == "patch" and changed.get("shutdown") in _SHUTDOWN:
        return _SHUTDOWN[changed["shutdown"]]
    if spec["operation"] == "patch" and "suspend" in changed:
        return "suspend" if changed["suspend"] else "resume"
    raise TriggerRefused(
        f"k8s: {spec['operation']} of a Workflow needs a cluster; without one, patch changes"
        " spec.suspend and spec.shutdown"
    )


async def _act(cluster: Cluster, firing: Firing, around: Surroundings) -> Receipt:
    spec = firing.spec or {}
    done = await _ACTS[spec["operation"]](cluster, firing, spec["object"])
    metadata: Json = done.get("metadata") or {}
    note = spec["operation"]
    if spec["operation"] != "delete":
        came = await policy.wait(
            spec.get("policy"), partial(_labels, cluster, done), around.clock, firing.id
        )
        note = f"{note}; {came}" if came else note
    return Receipt(
        kind=str(done.get("kind")),
        namespace=metadata.get("namespace") or "",
        name=metadata.get("name") or "",
        uid=metadata.get("uid") or "",
        note=note,
    )


async def _labels(cluster: Cluster, thing: Json) -> Mapping[str, str]:
    found = await cluster.get(thing)
    if found is None:
        raise TriggerRefused(f"k8s: {thing.get('kind')} {_name(thing)} is gone")
    return (found.get("metadata") or {}).get("labels") or {}


async def _create(cluster: Cluster, firing: Firing, thing: Json) -> Json:
    marked = objects.marked(thing, firing.id)
    try:
        return await cluster.create(marked)
    except Conflict as error:
        found = await cluster.get(marked)
        if found is not None and objects.made_by(found, firing.id):
            return found
        raise TriggerRefused(
            f"k8s: {marked['kind']} {_name(marked)} exists already, made by somebody else"
        ) from error


async def _update(cluster: Cluster, firing: Firing, thing: Json) -> Json:
    live = await cluster.get(thing)
    if live is None:
        return await _create(cluster, firing, thing)
    return await cluster.replace(objects.merged(live, thing))


async def _patch(cluster: Cluster, firing: Firing, thing: Json) -> Json:
    found = await cluster.patch(thing, (firing.spec or {})["strategy"])
    return found if found is not None else await _create(cluster, firing, thing)


async def _delete(cluster: Cluster, firing: Firing, thing: Json) -> Json:
    await cluster.delete(thing)
    return thing


_ACTS: dict[str, Callable[[Cluster, Firing, Json], Awaitable[Json]]] = {
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
}
