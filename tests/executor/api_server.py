"""As much of a Kubernetes API server as `resource` templates use: discovery, objects of two kinds, a token."""

import json
from typing import Any

from aiohttp import web

from tests.executor.clusters import merged

Json = dict[str, Any]

TOKEN = "t0ken"
_RESOURCES = {
    "/apis/batch/v1": [
        {"name": "jobs", "kind": "Job", "namespaced": True},
        {"name": "jobs/status", "kind": "Job", "namespaced": True},
    ],
    "/api/v1": [{"name": "namespaces", "kind": "Namespace", "namespaced": False}],
}


class ApiServer:
    """Keeps objects by path. `away` is how often it will answer 503."""

    def __init__(self) -> None:
        self.things: dict[str, Json] = {}
        self.seen: list[tuple[str, str, str]] = []
        self.away = 0
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _status(403, "Forbidden", "who are you?")
        self.seen.append((request.method, request.path_qs, request.content_type))
        if self.away:
            self.away -= 1
            return _status(503, "ServiceUnavailable", "away")
        if listed := _RESOURCES.get(request.path):
            return web.json_response({"kind": "APIResourceList", "resources": listed})
        body = json.loads(await request.read() or b"{}")
        return self._act(request.method, request.path, body, request.content_type)

    def _act(self, method: str, path: str, body: Json, content_type: str) -> web.Response:
        if method == "POST":
            return self._create(f"{path}/{body['metadata']['name']}", body)
        if content_type == "application/apply-patch+yaml":
            return self._keep(path, merged(self.things.get(path, {}), body))
        if path not in self.things:
            return _status(404, "NotFound", f'"{path.rpartition("/")[2]}" not found')
        if method == "DELETE":
            return web.json_response(self.things.pop(path))
        if method == "PUT" and not body["metadata"].get("resourceVersion"):
            return _status(422, "Invalid", "metadata.resourceVersion: must be specified")
        if method == "PATCH":
            body = merged(self.things[path], body)
        return self._keep(path, self.things[path] if method == "GET" else body)

    def _create(self, path: str, body: Json) -> web.Response:
        if path in self.things:
            return _status(409, "AlreadyExists", f'"{body["metadata"]["name"]}" already exists')
        return self._keep(path, body)

    def _keep(self, path: str, thing: Json) -> web.Response:
        self.things[path] = merged(thing, {"metadata": {"resourceVersion": "1"}})
        return web.json_response(self.things[path])


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "reason": reason, "message": message}, status=code)
