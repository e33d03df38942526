"""A Kubernetes cluster over its API: any kind of object, found by discovery, as plain JSON values."""

import asyncio
import json
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from executor.ports import (
    ClusterRefused,
    ClusterUnavailable,
    ExecutorError,
    ObjectExists,
    ObjectMissing,
)

Json = dict[str, Any]

IN_CLUSTER = "in-cluster"
MANAGER = "bireme"
_ANSWER_S = 30.0
_PATCHES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_BUSY = frozenset({429, 500, 502, 503, 504})


class KubernetesCluster:
    """Fits `executor.ports.Cluster`. `kubeconfig` is a file, or `in-cluster` for the account of our own pod.

    Nothing is connected before the first call. What kinds there are is asked once for each apiVersion, and again when a
    kind is not among them.
    """

    def __init__(self, kubeconfig: str) -> None:
        self._kubeconfig = kubeconfig
        self._api: client.ApiClient | None = None
        self._lock = asyncio.Lock()
        self._kinds: dict[str, dict[str, Json]] = {}

    async def get(self, thing: Json) -> Json:
        return await self._call("GET", await self._path(thing))

    async def create(self, thing: Json) -> Json:
        return await self._call("POST", await self._path(thing, named=False), thing)

    async def apply(self, thing: Json) -> Json:
        query = {"fieldManager": MANAGER, "force": "true"}
        return await self._call("PATCH", await self._path(thing), thing, "apply", query)

    async def replace(self, thing: Json) -> Json:
        path = await self._path(thing)
        metadata = thing["metadata"]
        if not metadata.get("resourceVersion"):  # some kinds insist on it
            version = (await self._call("GET", path))["metadata"].get("resourceVersion")
            metadata = {**metadata, "resourceVersion": version}
        return await self._call("PUT", path, {**thing, "metadata": metadata})

    async def patch(self, thing: Json, strategy: str) -> Json:
        return await self._call("PATCH", await self._path(thing), thing, strategy)

    async def delete(self, thing: Json) -> None:
        try:
            await self._call("DELETE", await self._path(thing), {"propagationPolicy": "Background"})
        except ObjectMissing:
            return

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()

    async def _path(self, thing: Json, *, named: bool = True) -> str:
        kind = await self._kind(thing["apiVersion"], thing["kind"])
        metadata = thing["metadata"]
        space = f"/namespaces/{metadata['namespace']}" if kind["namespaced"] else ""
        path = f"{_root(thing['apiVersion'])}{space}/{kind['name']}"
        return f"{path}/{metadata['name']}" if named else path

    async def _kind(self, version: str, kind: str) -> Json:
        """The resource of a kind. Raises ClusterRefused when the cluster has none."""
        if kind not in self._kinds.get(version, {}):
            try:
                listed = (await self._call("GET", _root(version))).get("resources") or []
            except ObjectMissing:
                listed = []
            self._kinds[version] = {r["kind"]: r for r in listed if "/" not in r["name"]}
        if kind not in self._kinds[version]:
            raise ClusterRefused(f"the cluster has no kind '{kind}' in {version}")
        return self._kinds[version][kind]

    async def _call(
        self, method: str, path: str, body: Json | None = None, patch: str = "", query: Any = None
    ) -> Json:
        api = await self._connected()
        headers = {"Content-Type": _PATCHES.get(patch, "application/json")}
        queried = list((query or {}).items())
        try:
            await api.update_params_for_auth(headers, queried, ["BearerToken"])
            answer = await api.request(
                method,
                f"{api.configuration.host}{path}",
                query_params=queried,
                headers=headers,
                body=body,
                _request_timeout=_ANSWER_S,
            )
        except ApiException as error:
            raise _translated(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            text = str(error) or type(error).__name__
            raise ClusterUnavailable(f"the cluster did not answer: {text}") from error
        found: Json = json.loads(answer.data or b"{}")
        return found

    async def _connected(self) -> client.ApiClient:
        async with self._lock:
            if self._api is None:
                settings = client.Configuration()
                await _configure(settings, self._kubeconfig)
                self._api = client.ApiClient(settings)
        return self._api


async def _configure(settings: client.Configuration, kubeconfig: str) -> None:
    try:
        if kubeconfig == IN_CLUSTER:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(kubeconfig, client_configuration=settings)
    except config.ConfigException as error:
        raise ClusterRefused(f"kubeconfig '{kubeconfig}' cannot be used: {error}") from error


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _translated(error: ApiException) -> ExecutorError:
    told = _status(error)
    message = str(told.get("message") or error.reason or f"status {error.status}")
    if error.status == 404:
        return ObjectMissing(message)
    if error.status == 409 and told.get("reason") == "AlreadyExists":
        return ObjectExists(message)
    if error.status in _BUSY:
        return ClusterUnavailable(message)
    return ClusterRefused(message)


def _status(error: ApiException) -> Json:
    """The cluster's own account of what is wrong."""
    try:
        found = json.loads(error.body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
