"""Fakes of the APIs that sources register their hooks with: in this process, in memory, over real HTTP.

Faithful in paths, verbs, credentials, statuses and the members that sources read and write; no more than that.
"""

import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.servers import process

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebApi:
    """A server whose answers a test's own subclass gives. `log` has every call as (method, path)."""

    def __init__(self) -> None:
        self.port = process.free_port()
        self.log: list[tuple[str, str]] = []
        self.numbers = itertools.count(1)
        self.is_away = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.log.append((request.method, request.path))
        if self.is_away:
            return web.json_response({"message": "Service Unavailable"}, status=503)
        return await self.reply(request)

    async def reply(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError


@contextlib.asynccontextmanager
async def running(api: WebApi) -> AsyncIterator[WebApi]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", api.port).start()
        yield api
    finally:
        await runner.cleanup()


class HookList(WebApi):
    """Lists of hooks by path: GET a list in pages, POST to it, PATCH, PUT and DELETE an entry.

    `known` are the paths there are; others answer 404, as they do for who may not see them.
    """

    id_of = "id"

    def __init__(self, authorization: tuple[str, str], *known: str) -> None:
        super().__init__()
        self.authorization = authorization
        self.hooks: dict[str, dict[str, Any]] = {path: {} for path in known}

    def new_id(self) -> Any:
        return next(self.numbers)

    def made(self, hook: dict[str, Any]) -> dict[str, Any]:
        return hook

    def shown(self, hooks: list[Any], request: web.Request) -> Any:
        size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        return hooks[(page - 1) * size : page * size]

    async def reply(self, request: web.Request) -> web.StreamResponse:
        name, value = self.authorization
        if request.headers.get(name) != value:
            return web.json_response({"message": "Bad credentials"}, status=401)
        path = request.raw_path.partition("?")[0]
        if path in self.hooks:
            return await self._list(request, path)
        path, _, last = path.rpartition("/")
        if path in self.hooks:
            return await self._entry(request, path, last)
        return web.json_response({"message": "Not Found"}, status=404)

    async def _list(self, request: web.Request, path: str) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response(self.shown(list(self.hooks[path].values()), request))
        hook = self.made(await request.json())
        hook[self.id_of] = self.new_id()
        self.hooks[path][str(hook[self.id_of])] = hook
        return web.json_response(hook, status=201)

    async def _entry(self, request: web.Request, path: str, last: str) -> web.StreamResponse:
        last = last.strip("{}").replace("%7B", "").replace("%7D", "")
        hook = next((one for key, one in self.hooks[path].items() if key.strip("{}") == last), None)
        if hook is None:
            return web.json_response({"message": "Not Found"}, status=404)
        if request.method == "DELETE":
            del self.hooks[path][str(hook[self.id_of])]
            return web.Response(status=204)
        hook |= self.made(await request.json())
        return web.json_response(hook)


class Github(HookList):
    """GitHub's REST API for hooks, and for tokens of an App whose public key it knows."""

    def __init__(self, *known: str, public_key: Any = None) -> None:
        super().__init__(("Authorization", "Bearer github-token"), *known)
        self.public_key = public_key
        self.statements: list[Any] = []

    def made(self, hook: dict[str, Any]) -> dict[str, Any]:
        return {**hook, "type": "Repository"}

    def shown(self, hooks: list[Any], request: web.Request) -> Any:
        """A secret is never shown."""
        masked = [
            {**one, "config": {**one["config"], "secret": "********"}}
            if "secret" in one["config"]
            else one
            for one in hooks
        ]
        return super().shown(masked, request)

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/app/installations/7/access_tokens":
            return self._token(request)
        return await super().reply(request)

    def _token(self, request: web.Request) -> web.StreamResponse:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        statement = request.headers["Authorization"].removeprefix("Bearer ")
        head, claims, signature = statement.split(".")
        self.public_key.verify(
            base64.urlsafe_b64decode(signature + "=="),
            f"{head}.{claims}".encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        self.statements.append(json.loads(base64.urlsafe_b64decode(claims + "==")))
        answer = {"token": "github-token", "expires_at": "2099-01-01T00:00:00Z"}
        return web.json_response(answer, status=201)


class Gitlab(HookList):
    """GitLab's REST API for hooks of projects and groups; a token is never shown."""

    def __init__(self, *known: str) -> None:
        super().__init__(("PRIVATE-TOKEN", "gitlab-token"), *known)
        self.tokens: list[str] = []

    def made(self, hook: dict[str, Any]) -> dict[str, Any]:
        self.tokens.append(hook.pop("token", ""))
        return hook


class Bitbucket(HookList):
    """Bitbucket Cloud's REST API for hooks: pages with the address of the next, ids in braces."""

    id_of = "uuid"

    def __init__(self, authorization: str, *known: str) -> None:
        super().__init__(("Authorization", authorization), *known)

    def new_id(self) -> Any:
        return f"{{{next(self.numbers):08d}}}"

    def shown(self, hooks: list[Any], request: web.Request) -> Any:
        page = int(request.query.get("page", 1))
        answer = {"values": hooks[(page - 1) * 2 : page * 2]}
        if len(hooks) > page * 2:
            answer["next"] = f"{self.url}{request.path}?page={page + 1}"  # type: ignore[assignment]
        return answer


class BitbucketServer(HookList):
    """Bitbucket Server's REST API: hooks, the repositories of a project, pull requests."""

    def __init__(self, *known: str) -> None:
        super().__init__(("Authorization", "Bearer server-token"), *known)
        self.repositories: dict[str, list[str]] = {}
        self.pulls: set[str] = set()

    def shown(self, hooks: list[Any], request: web.Request) -> Any:
        start = int(request.query.get("start", 0))
        is_last = len(hooks) <= start + 2
        more = {} if is_last else {"nextPageStart": start + 2}
        return {"values": hooks[start : start + 2], "isLastPage": is_last, **more}

    async def reply(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.split("/")
        if parts[-1] == "repos":
            slugs = [{"slug": slug} for slug in self.repositories[parts[-2]]]
            return web.json_response(self.shown(slugs, request))
        if parts[-1] == "pull-requests":
            found = [{"id": 1}] if request.query["at"] in self.pulls else []
            return web.json_response(self.shown(found, request))
        return await super().reply(request)


class Gerrit(WebApi):
    """The REST API of Gerrit's webhooks plugin: one remote by its path, JSON behind a guard."""

    def __init__(self) -> None:
        super().__init__()
        self.remotes: dict[str, Any] = {}

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Basic dXNlcjpwYXNz":
            return web.Response(status=401, text="Unauthorized")
        path = request.raw_path
        if request.method == "PUT":
            self.remotes[path] = await request.json()
        elif path not in self.remotes:
            return web.Response(status=404, text="Not found: remote")
        elif request.method == "DELETE":
            del self.remotes[path]
            return web.Response(status=204)
        return web.Response(text=")]}'\n" + json.dumps(self.remotes[path]))


class Stripe(WebApi):
    """Stripe's API for webhook endpoints: a secret is told once."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoints: list[Any] = []

    async def reply(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer sk_test"
        form = await request.post()
        self.endpoints.append(dict(form))
        made = {"id": f"we_{len(self.endpoints)}", "secret": "whsec_told_once"}
        return web.json_response(made)


class StorageGrid(WebApi):
    """StorageGRID's API for the notification of a bucket."""

    def __init__(self) -> None:
        super().__init__()
        self.configured: dict[str, str] = {}

    async def reply(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer grid-token"
        assert request.method == "PUT"
        self.configured[request.path] = (await request.json())["notification"]
        return web.json_response({"status": "success"})
