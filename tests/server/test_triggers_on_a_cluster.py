"""The k8s trigger over the Kubernetes API, as much of it as a small server speaks."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from executor.clusters.kubernetes import KubernetesCluster
from sensors.errors import TriggerFailed, TriggerRefused
from server.cluster import ClusterPort
from tests.executor.api_server import ApiServer
from tests.executor.suite.test_every_cluster import kubeconfig
from tests.sensors.acting import Actor

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"generateName": "job-"},
    "spec": {"a": 1, "b": 2},
}
PATH = "/apis/batch/v1/namespaces/default/jobs/"


class Place:
    def __init__(self, api: ApiServer, actor: Actor) -> None:
        self.api, self.actor = api, actor

    async def fire(self, id: str = "f1", policy: Any = None, **block: Any) -> Any:
        return await self.actor.fire({}, policy, id=id, **block)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    api = ApiServer()
    server = TestServer(api.app)
    await server.start_server()
    cluster = ClusterPort(KubernetesCluster(kubeconfig(tmp_path, str(server.make_url("")))))
    async with Actor("k8s", cluster=cluster) as actor:
        yield Place(api, actor)
    await server.close()


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"source": {"resource": {**JOB, "metadata": {"name": name}, **more}}}


async def test_the_same_firing_makes_one_object(place: Place) -> None:
    block = {"source": {"resource": JOB}}
    first = await place.fire(**block)
    again = await place.fire(**block)
    other = await place.fire("f2", **block)
    assert first.name == again.name != other.name
    assert sorted(place.api.things) == sorted(f"{PATH}{n}" for n in (first.name, other.name))


async def test_an_object_is_updated_patched_and_deleted(place: Place) -> None:
    await place.fire(operation="update", **named("j"))
    await place.fire(operation="update", **named("j", spec={"a": 5, "b": 0}))
    assert place.api.things[f"{PATH}j"]["spec"] == {"a": 5, "b": 2}
    for strategy in ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"):
        kind = f"application/{strategy}"
        await place.fire(operation="patch", patchStrategy=kind, **named("j", spec={"c": 3}))
        assert place.api.seen[-1][2] == kind
    assert place.api.things[f"{PATH}j"]["spec"] == {"a": 5, "b": 2, "c": 3}
    for _ in range(2):
        await place.fire(operation="delete", **named("j"))
    assert place.api.things == {}


async def test_what_the_cluster_says_is_passed_on(place: Place) -> None:
    place.api.away = 1
    with pytest.raises(TriggerFailed, match="k8s: Job j: away"):
        await place.fire(**named("j"))
    strange = {"apiVersion": "batch/v1", "kind": "Strange", "metadata": {"name": "x"}}
    with pytest.raises(TriggerRefused, match="no kind 'Strange' in batch/v1"):
        await place.fire(source={"resource": strange})
    listed = "application/json-patch+json"
    with pytest.raises(TriggerRefused, match="takes a list"):
        await place.fire(operation="patch", patchStrategy=listed, **named("j"))
    await place.fire(**named("j"))
    with pytest.raises(TriggerRefused, match="Job j exists already"):
        await place.fire("f2", **named("j"))
