"""What every cluster must do: the contract of executor/ports.py, in memory and over the API of Kubernetes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from executor.clusters.kubernetes import KubernetesCluster
from executor.ports import (
    Cluster,
    ClusterRefused,
    ClusterUnavailable,
    ObjectExists,
    ObjectMissing,
)
from tests.executor.api_server import TOKEN, ApiServer
from tests.executor.clusters import MemoryCluster

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "job", "namespace": "default"},
    "spec": {"a": 1, "b": 2},
}


def kubeconfig(folder: Path, address: str, token: str = TOKEN) -> str:
    """The path of a kubeconfig for one server."""
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(written))
    return str(path)


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def address(api: ApiServer) -> AsyncIterator[str]:
    server = TestServer(api.app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture(params=["memory", "kubernetes"])
async def cluster(
    request: pytest.FixtureRequest, address: str, tmp_path: Path
) -> AsyncIterator[Cluster]:
    in_memory = request.param == "memory"
    made = MemoryCluster() if in_memory else KubernetesCluster(kubeconfig(tmp_path, address))
    yield made
    await made.close()


async def test_an_object_is_made_once_and_found(cluster: Cluster) -> None:
    with pytest.raises(ObjectMissing, match="not found"):
        await cluster.get(JOB)
    assert (await cluster.create(JOB))["spec"] == {"a": 1, "b": 2}
    assert (await cluster.get(JOB))["spec"] == {"a": 1, "b": 2}
    with pytest.raises(ObjectExists, match="already exists"):
        await cluster.create(JOB)


async def test_apply_makes_it_or_changes_it(cluster: Cluster) -> None:
    await cluster.apply(JOB)
    assert (await cluster.apply({**JOB, "spec": {"a": 3}}))["spec"] == {"a": 3, "b": 2}


@pytest.mark.parametrize("strategy", ["strategic", "merge"])
async def test_a_patch_changes_what_it_says(cluster: Cluster, strategy: str) -> None:
    with pytest.raises(ObjectMissing):
        await cluster.patch(JOB, strategy)
    await cluster.create(JOB)
    assert (await cluster.patch({**JOB, "spec": {"b": 5}}, strategy))["spec"] == {"a": 1, "b": 5}


async def test_replace_leaves_nothing_of_the_old_one(cluster: Cluster) -> None:
    with pytest.raises(ObjectMissing):
        await cluster.replace(JOB)
    await cluster.create(JOB)
    assert (await cluster.replace({**JOB, "spec": {"c": 1}}))["spec"] == {"c": 1}


async def test_deleting_twice_is_deleting_once(cluster: Cluster) -> None:
    await cluster.create(JOB)
    await cluster.delete(JOB)
    await cluster.delete(JOB)
    with pytest.raises(ObjectMissing):
        await cluster.get(JOB)


# --- what only the API has ---------------------------------------------------------------------------------------


async def test_paths_and_content_types_are_those_of_the_api(
    api: ApiServer, address: str, tmp_path: Path
) -> None:
    cluster = KubernetesCluster(kubeconfig(tmp_path, address))
    await cluster.apply(JOB)
    await cluster.patch(JOB, "merge")
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "namespace": "default"}}  # fmt: skip
    await cluster.create(space)
    await cluster.close()
    job = "/apis/batch/v1/namespaces/default/jobs/job"
    assert api.seen == [
        ("GET", "/apis/batch/v1", "application/json"),
        ("PATCH", f"{job}?fieldManager=bireme&force=true", "application/apply-patch+yaml"),
        ("PATCH", job, "application/merge-patch+json"),
        ("GET", "/api/v1", "application/json"),
        ("POST", "/api/v1/namespaces", "application/json"),
    ]


async def test_faults_are_told_apart(api: ApiServer, address: str, tmp_path: Path) -> None:
    cluster = KubernetesCluster(kubeconfig(tmp_path, address))
    with pytest.raises(ClusterRefused, match="the cluster has no kind 'Cake' in batch/v1"):
        await cluster.get({**JOB, "kind": "Cake"})
    with pytest.raises(ClusterRefused, match="no kind 'Job' in nowhere/v1"):
        await cluster.get({**JOB, "apiVersion": "nowhere/v1"})
    api.away = 1
    with pytest.raises(ClusterUnavailable, match="away"):
        await cluster.get(JOB)
    await cluster.close()
    stranger = KubernetesCluster(kubeconfig(tmp_path, address, "wrong"))
    with pytest.raises(ClusterRefused, match=r"who are you\?"):
        await stranger.get(JOB)
    await stranger.close()
    nobody = KubernetesCluster(kubeconfig(tmp_path, "http://127.0.0.1:1"))
    with pytest.raises(ClusterUnavailable, match="the cluster did not answer"):
        await nobody.get(JOB)
    await nobody.close()


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    cluster = KubernetesCluster(str(tmp_path / "none"))
    with pytest.raises(ClusterRefused, match=r"kubeconfig '.*none' cannot be used"):
        await cluster.get(JOB)
