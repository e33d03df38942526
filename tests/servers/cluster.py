"""A small Kubernetes API: one resource, in memory, over real HTTP.

Faithful in lists with pages, watches from a place with bookmarks, 410 for a place that is forgotten, label selectors of
equality, bearer tokens; no more than that.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from tests.servers import process

PODS = "/api/v1/namespaces/shop/pods"


class Api:
    """`add`, `update` and `remove` objects; `forget` the history."""

    def __init__(self) -> None:
        self.port = process.free_port()
        self._versions = itertools.count(10)
        self._version = 10
        self._objects: dict[str, Any] = {}
        self._history: list[tuple[int, str, Any]] = []
        self._forgotten = 0
        self._changed = asyncio.Event()
        self.log: list[dict[str, str]] = []

    def add(self, name: str, labels: dict[str, str] | None = None, **more: Any) -> None:
        about = {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}-{next(self._versions)}",
            "labels": labels or {},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        self._put("ADDED", {"kind": "Pod", "apiVersion": "v1", "metadata": about, **more})

    def update(self, name: str, **more: Any) -> None:
        self._put("MODIFIED", {**self._objects[name], **more})

    def remove(self, name: str) -> None:
        self._put("DELETED", self._objects[name])
        del self._objects[name]

    def forget(self) -> None:
        self._history.clear()
        self._forgotten = self._version

    def _put(self, kind: str, thing: Any) -> None:
        self._version = next(self._versions)
        about = {**thing["metadata"], "resourceVersion": str(self._version)}
        thing = {**thing, "metadata": about}
        self._objects[about["name"]] = thing
        self._history.append((self._version, kind, thing))
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.log.append(dict(request.query))
        if request.headers.get("Authorization") != "Bearer cluster-token":
            return web.json_response({"code": 401, "message": "Unauthorized"}, status=401)
        if request.path != PODS:
            return web.json_response({"code": 404, "message": "not found"}, status=404)
        if "watch" in request.query:
            return await self._watch(request)
        return self._list(request)

    def _selects(self, request: web.Request, thing: Any) -> bool:
        query = request.query.get("labelSelector", "")
        pairs = [part.split("=") for part in query.split(",") if part]
        return all(thing["metadata"]["labels"].get(key) == value for key, value in pairs)

    def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("continue", 0))
        found = [one for one in self._objects.values() if self._selects(request, one)]
        about = {"resourceVersion": str(self._version)}
        if len(found) > start + 2:
            about["continue"] = str(start + 2)
        return web.json_response({"metadata": about, "items": found[start : start + 2]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        after = int(request.query["resourceVersion"])
        answer = web.StreamResponse()
        await answer.prepare(request)
        if after < self._forgotten:
            status = {"kind": "Status", "code": 410, "message": "too old resource version"}
            await self._line(answer, "ERROR", status)
            return answer
        with contextlib.suppress(ConnectionError):
            await self._follow(request, answer, after)
        return answer

    async def _follow(self, request: web.Request, answer: web.StreamResponse, after: int) -> None:
        while True:
            changed = self._changed
            for version, kind, thing in [one for one in self._history if one[0] > after]:
                after = version
                if self._selects(request, thing):
                    await self._line(answer, kind, thing)
            bookmark = {"kind": "Pod", "metadata": {"resourceVersion": str(after)}}
            await self._line(answer, "BOOKMARK", bookmark)
            await changed.wait()

    async def _line(self, answer: web.StreamResponse, kind: str, thing: Any) -> None:
        await answer.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", api.port).start()
        yield api
    finally:
        await runner.cleanup()
