"""The sensors' port to a Kubernetes cluster, over the client that steps have."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bireme.kit.errors import Conflict
from executor.ports import (
    Cluster,
    ClusterRefused,
    ClusterUnavailable,
    ObjectExists,
    ObjectMissing,
)
from sensors.errors import TriggerFailed, TriggerRefused

Json = dict[str, Any]

_APPLY = "application/apply-patch+yaml"
_STRATEGIES = {
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
}


class ClusterPort:
    """`sensors.ports.Cluster`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, thing: Json) -> Json | None:
        with _spoken_of(thing):
            try:
                return await self._cluster.get(thing)
            except ObjectMissing:
                return None

    async def create(self, thing: Json) -> Json:
        with _spoken_of(thing):
            return await self._cluster.create(thing)

    async def replace(self, thing: Json) -> Json:
        with _spoken_of(thing):
            return await self._cluster.replace(thing)

    async def patch(self, thing: Json, strategy: str) -> Json | None:
        if strategy != _APPLY and strategy not in _STRATEGIES:
            raise TriggerRefused(f"k8s.patchStrategy {strategy} takes a list, not an object")
        with _spoken_of(thing):
            try:
                if strategy == _APPLY:
                    return await self._cluster.apply(thing)
                return await self._cluster.patch(thing, _STRATEGIES[strategy])
            except ObjectMissing:
                return None

    async def delete(self, thing: Json) -> None:
        with _spoken_of(thing):
            await self._cluster.delete(thing)

    async def close(self) -> None:
        await self._cluster.close()


@contextmanager
def _spoken_of(thing: Json) -> Iterator[None]:
    """The cluster's errors as a trigger's, with the object in front."""
    what = f"k8s: {thing.get('kind')} {thing['metadata'].get('name')}"
    try:
        yield
    except ObjectExists as error:
        raise Conflict(f"{what}: {error}") from error
    except (ClusterRefused, ObjectMissing) as error:
        raise TriggerRefused(f"{what}: {error}") from error
    except ClusterUnavailable as error:
        raise TriggerFailed(f"{what}: {error}") from error
