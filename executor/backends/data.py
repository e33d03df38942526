"""`data` templates: what an artifact store holds, as a list to loop over; done by the engine itself.

```yaml
templates:
  - name: logs
    data:
      source:
        artifactPaths: {name: all, s3: {key: "{{workflow.namespace}}/nightly"}}   # a key alone: the local store
      transformation:
        - expression: "filter(data, # endsWith '.log')"
```

The keys are `data` in the first expression, whose value is `data` in the next; the last value is the step's result, as
JSON.
"""

from typing import Any

from bireme.lang import expr, gojson
from bireme.lang.errors import LangError
from executor import stores
from executor.agent import Agent, Ending
from executor.model import Outputs, Task
from executor.ports import ListsArtifacts
from executor.registry import backends
from executor.stores import StoreNotAvailable, Stores
from executor.surroundings import Surroundings


@backends.register("data")
class DataBackend(Agent):
    """Lists artifacts and transforms the list. Reads only, so doing it twice is harmless."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._stores = Stores(surroundings.root / "artifacts")

    async def perform(self, task: Task, again: bool) -> Ending:
        block = task.template["data"]
        where = f"template '{task.template.get('name', task.node_name)}' data"
        source = (block.get("source") or {}).get("artifactPaths")
        if not source:
            return Ending("error", f"{where}.source: expected artifactPaths")
        keys = await self._keys(source, f"{where}.source.artifactPaths")
        try:
            found = transform(keys, block.get("transformation") or [], where)
        except LangError as error:
            return Ending("failed", str(error))
        return Ending("succeeded", outputs=Outputs(result=found, exit_code="0"))

    async def _keys(self, source: dict[str, Any], field: str) -> list[str]:
        located = stores.located(source)
        store = self._stores.of(located, field)
        if not isinstance(store, ListsArtifacts):
            kind = stores.location_kind(located)
            raise StoreNotAvailable(f"{field}.{kind}: this kind of store cannot list what it holds")
        return await store.list(located)


def transform(data: Any, steps: list[dict[str, Any]], where: str) -> str:
    """What is left of the data after every step, as compact JSON. Raises LangError that names the step."""
    for number, step in enumerate(steps):
        try:
            data = expr.compile(step["expression"]).evaluate({"data": data})
        except LangError as error:
            raise LangError(f"{where}.transformation[{number}].expression: {error}") from error
    return gojson.dumps(data)
