"""A cluster in memory: objects by kind, namespace and name."""

import copy
from typing import Any

from executor.ports import ClusterUnavailable, ObjectExists, ObjectMissing

Json = dict[str, Any]


class MemoryCluster:
    """Fits `executor.ports.Cluster`. `later` gives, per read, what changes in the object until it is read again.

    `away` is how often it will not answer; `lose` makes the next create succeed without an answer.
    """

    def __init__(self) -> None:
        self.things: dict[tuple[str, ...], Json] = {}
        self.later: list[Json] = []
        self.calls: list[str] = []
        self.away = 0
        self.lose = False

    async def get(self, thing: Json) -> Json:
        self._called("get")
        found = self._found(thing)
        if self.later:
            found.update(self.later.pop(0))
        return copy.deepcopy(found)

    async def create(self, thing: Json) -> Json:
        self._called("create")
        if _key(thing) in self.things:
            raise ObjectExists(f'{thing["kind"]} "{thing["metadata"]["name"]}" already exists')
        self.things[_key(thing)] = copy.deepcopy(thing)
        if self.lose:
            self.lose = False
            raise ClusterUnavailable("the connection was lost")
        return copy.deepcopy(thing)

    async def apply(self, thing: Json) -> Json:
        self._called("apply")
        self.things[_key(thing)] = merged(self.things.get(_key(thing), {}), thing)
        return copy.deepcopy(self.things[_key(thing)])

    async def replace(self, thing: Json) -> Json:
        self._called("replace")
        self._found(thing)
        self.things[_key(thing)] = copy.deepcopy(thing)
        return copy.deepcopy(thing)

    async def patch(self, thing: Json, strategy: str) -> Json:
        self._called(f"patch {strategy}")
        self.things[_key(thing)] = merged(self._found(thing), thing)
        return copy.deepcopy(self.things[_key(thing)])

    async def delete(self, thing: Json) -> None:
        self._called("delete")
        self.things.pop(_key(thing), None)

    async def close(self) -> None: ...

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.away:
            self.away -= 1
            raise ClusterUnavailable("the cluster is away")

    def _found(self, thing: Json) -> Json:
        if _key(thing) not in self.things:
            raise ObjectMissing(f'{thing["kind"]} "{thing["metadata"]["name"]}" not found')
        return self.things[_key(thing)]


def merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: merged(base.get(k), v) for k, v in over.items()}}
    return over


def _key(thing: Json) -> tuple[str, ...]:
    metadata = thing["metadata"]
    return thing["apiVersion"], thing["kind"], metadata.get("namespace", ""), metadata["name"]
