"""`resource` templates: one object of a Kubernetes cluster, made or changed and then watched, by the engine itself.

```yaml
templates:
  - name: job
    resource:
      action: create
      successCondition: status.succeeded > 0
      failureCondition: status.failed > 3
      manifest: |
        apiVersion: batch/v1
        kind: Job
        metadata: {generateName: job-}
    outputs:
      parameters:
        - {name: name, valueFrom: {jsonPath: "{.metadata.name}"}}
```

A `generateName` becomes a name that depends on the step alone, so an object is not made twice when the engine is killed
in between. `flags` belong to kubectl, which is not used here.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from bireme.kit.backoff import Backoff
from bireme.kit.errors import UserError
from bireme.kit.ids import digest
from bireme.lang.errors import LangError
from bireme.manifests import yaml
from executor import resource_conditions, resource_outputs, stores
from executor.agent import Agent, Ending
from executor.model import Outputs, Task
from executor.ports import (
    Cluster,
    ClusterUnavailable,
    ExecutorError,
    ObjectExists,
    ObjectMissing,
)
from executor.registry import backends
from executor.stores import Stores

Json = dict[str, Any]

CHECK_S = 5.0
_AGAIN = Backoff(base_s=1, factor=2, cap_s=30)
_PATIENCE = 8


class BadResource(ExecutorError, UserError):
    """The template does not say what to do with which object; the message names the field."""


@backends.register("resource")
class ResourceBackend(Agent):
    """Acts on objects of the cluster it was given, if any."""

    async def perform(self, task: Task, again: bool) -> Ending:
        block, where = task.template["resource"], f"template '{task.template.get('name')}' resource"
        cluster = self.surroundings.cluster
        if cluster is None:
            return Ending("error", f"{where}: {_NO_CLUSTER}")
        if block.get("flags") or block.get("setOwnerReference"):
            name = "flags" if block.get("flags") else "setOwnerReference"
            raise BadResource(f"{where}.{name}: {_NOT_HERE[name]}")
        thing = _named(await self._thing(task, block, where), task)
        try:
            live = await self._act(cluster, block, thing, again)
            live = await self._until(cluster, block, thing, live)
            outputs = await self._outputs(task, live)
        except (resource_conditions.FailureMet, ObjectExists, ObjectMissing) as error:
            return Ending("failed", str(error))
        except LangError as error:
            return Ending("error", f"{where}: {error}")
        return Ending("succeeded", outputs=outputs)

    async def close(self) -> None:
        await super().close()
        if self.surroundings.cluster is not None:
            await self.surroundings.cluster.close()

    async def _thing(self, task: Task, block: Json, where: str) -> Json:
        """The manifest, written in the template or found in an artifact."""
        text = block.get("manifest") or ""
        if source := (block.get("manifestFrom") or {}).get("artifact"):
            text = await self._from_artifact(task, source, f"{where}.manifestFrom.artifact")
        documents = [d.value for d in yaml.load(text, "manifest") if d.value is not None]
        if len(documents) != 1 or not isinstance(documents[0], dict):
            raise BadResource(f"{where}.manifest: expected one object, found {len(documents)}")
        missing = [name for name in ("apiVersion", "kind") if not documents[0].get(name)]
        if missing:
            raise BadResource(f"{where}.manifest has no {missing[0]}")
        found: Json = documents[0]
        return found

    async def _from_artifact(self, task: Task, source: Json, field: str) -> str:
        declared = (task.template.get("inputs") or {}).get("artifacts") or ()
        artifact = next((a for a in declared if a["name"] == source.get("name")), source)
        located = stores.located(artifact)
        store = Stores(self.surroundings.root / "artifacts").of(located, field)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "manifest")
            await store.load(located, path)
            return await asyncio.to_thread(path.read_text)

    async def _act(self, cluster: Cluster, block: Json, thing: Json, again: bool) -> Json:
        """The object afterwards; what is left of a deleted one is nothing."""
        attempt = 0
        while True:
            try:
                return await _once(cluster, block, thing)
            except ObjectExists:
                if not again and not attempt:
                    raise
                return await cluster.get(thing)  # made by us, before we were interrupted
            except ClusterUnavailable:
                attempt += 1
                if attempt == _PATIENCE:
                    raise
                await self.surroundings.clock.sleep(_AGAIN.delay(attempt))

    async def _until(self, cluster: Cluster, block: Json, thing: Json, live: Json) -> Json:
        """The object once its conditions decide. An unreachable cluster is waited for."""
        success, failure = block.get("successCondition") or "", block.get("failureCondition") or ""
        if not success and not failure:
            return live
        attempt = 0
        while resource_conditions.judge(live, success, failure) == "wait":
            await self.surroundings.clock.sleep(CHECK_S)
            try:
                live = await cluster.get(thing)
            except ClusterUnavailable:
                attempt += 1
                await self.surroundings.clock.sleep(_AGAIN.delay(attempt))
            else:
                attempt = 0
        return live

    async def _outputs(self, task: Task, live: Json) -> Outputs:
        declared = (task.template.get("outputs") or {}).get("parameters") or []
        scripts = self.surroundings.scripts
        values = await asyncio.to_thread(resource_outputs.values, declared, live, scripts)
        return Outputs(parameters=values)


_NO_CLUSTER = "needs a Kubernetes cluster, and this engine has none; start it with BIREME_KUBECONFIG=FILE or in-cluster"
_NOT_HERE = {
    "flags": "these are options of kubectl, which is not used here; name the object in the manifest",
    "setOwnerReference": "the workflow is no object of the cluster, so nothing there can be owned by it",
}


async def _once(cluster: Cluster, block: Json, thing: Json) -> Json:
    match block["action"]:
        case "create":
            return await cluster.create(thing)
        case "apply":
            return await cluster.apply(thing)
        case "replace":
            return await cluster.replace(thing)
        case "patch":
            return await cluster.patch(thing, block.get("mergeStrategy") or "strategic")
        case "get":
            return await cluster.get(thing)
        case "delete":
            await cluster.delete(thing)
            return {}
        case action:
            raise BadResource(f"resource.action '{action}' is not known")


def _named(thing: Json, task: Task) -> Json:
    """With the workflow's namespace unless it has one, and with a name that only this step gives."""
    metadata = {"namespace": task.namespace, **(thing.get("metadata") or {})}
    if not metadata.get("name") and (prefix := metadata.pop("generateName", "")):
        metadata["name"] = f"{prefix}{digest('resource', task.id)[:8]}"
    return {**thing, "metadata": metadata}
