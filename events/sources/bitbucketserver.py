"""Event source `bitbucketserver`: deliveries of Bitbucket Server and Data Center webhooks, their signature verified.

    spec:
      bitbucketserver:
        ci:
          repositories: [{projectKey: SHOP, repositorySlug: web}]
          projects: [DOCS]
          events: ["repo:refs_changed"]
          bitbucketserverBaseURL: https://bitbucket.example/rest
          accessToken: {name: bitbucket, key: token}
          webhookSecret: {name: bitbucket, key: secret}
          webhook: {endpoint: /bitbucket, port: "12000", url: "https://ci.example"}

Payload: `{"headers": {…}, "body": …, "metadata": {…}}`. With `webhook.url` and `accessToken` the hooks of the
repositories, and of all repositories of the projects, are registered and looked after. `oneEventPerChange` makes an
event of every change of a push; `skipBranchRefsChangedOnOpenPR` leaves out pushes to branches with open pull requests.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web

from events import fields, hooks, rest, webhooks
from events.http import Refused, text
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources
from events.tls import Tls, context

log = structlog.get_logger(__name__)

_PUSH = "repo:refs_changed"


class Repository(fields.Fields, frozen=True, kw_only=True):
    """A repository of a project."""

    project_key: str
    repository_slug: str


@sources.register("bitbucketserver")
class BitbucketServerSource:
    """A delivery is accepted once, by its `X-Request-Id`. The secret is verified whoever made the hook."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        project_key: str = ""
        repository_slug: str = ""
        projects: tuple[str, ...] = ()
        repositories: tuple[Repository, ...] = ()
        events: tuple[str, ...] = ()
        skip_branch_refs_changed_on_open_pr: bool = msgspec.field(
            name="skipBranchRefsChangedOnOpenPR", default=False
        )
        one_event_per_change: bool = False
        access_token: fields.SecretRef | None = None
        webhook_secret: fields.SecretRef | None = None
        bitbucketserver_base_url: str = msgspec.field(name="bitbucketserverBaseURL", default="")
        delete_hook_on_finish: bool = False
        tls: Tls | None = None
        check_interval: str = ""
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._route = webhooks.HttpRoute(config.webhook, surroundings, self._reply)
        self._manages = bool(config.webhook and config.webhook.url and config.access_token)
        self._interval_s = fields.seconds(config.check_interval, "checkInterval", hooks.CHECK_S)
        if self._manages or config.skip_branch_refs_changed_on_open_pr:
            _check(config, manages=self._manages)
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        listening = self._route.run()
        if not self._manages:
            await listening
            return
        async with self._api() as api:
            await hooks.beside(
                listening,
                ServerHooks(self._config, self._around, api),
                self._around,
                remove_at_end=self._config.delete_hook_on_finish,
                interval_s=self._interval_s,
            )

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[rest.Api]:
        config = self._config
        verify = context(config.tls, self._around.secrets, self._around.place.namespace) or True
        async with rest.session() as session:
            api = rest.Api(session, f"{config.bitbucketserver_base_url}/api/1.0", verify=verify)
            if config.access_token is not None:
                token = _key(config.access_token, self._around).strip()
                api = api.with_headers({"Authorization": f"Bearer {token}"})
            yield api

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        self._verify(request, body)
        told = webhooks.parsed(body)
        if not isinstance(told, dict):
            raise Refused(400, "the body is not a JSON object")
        changes = await self._wanted_changes(told, request)
        delivery = webhooks.delivery_id(request, "X-Request-Id")
        events = [
            NewEvent(
                data=webhooks.payload(request, part, self._config.metadata),
                dedup=f"{delivery}/{number}" if delivery and number else delivery,
            )
            for number, part in enumerate(self._bodies(told, changes, body))
        ]
        if events:
            await self._publish(events, refuse_large=True)
        return text(200, "success")

    def _verify(self, request: web.BaseRequest, body: bytes) -> None:
        if self._config.webhook_secret is None:
            return
        key = webhooks.signing_secret(self._around, self._config.webhook_secret)
        expected = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
        given = request.headers.get("X-Hub-Signature", "")
        if not key or not webhooks.is_same(given, expected.encode()):
            raise Refused(400, "request signature is missing or wrong", close=True)

    def _bodies(
        self, told: dict[str, Any], changes: Sequence[Any] | None, body: bytes
    ) -> list[bytes]:
        """One body for the delivery, or one for every change of a push; `changes` is None for what is no push."""
        if changes is None:
            return [body]
        if self._config.one_event_per_change:
            return [webhooks.dumped({**told, "changes": [one]}) for one in changes]
        if len(changes) == len(told["changes"]):
            return [body]
        return [webhooks.dumped({**told, "changes": changes})] if changes else []

    async def _wanted_changes(
        self, told: dict[str, Any], request: web.BaseRequest
    ) -> list[Any] | None:
        config = self._config
        changes = told.get("changes")
        is_push = request.headers.get("X-Event-Key") == _PUSH and isinstance(changes, list)
        splits = config.one_event_per_change or config.skip_branch_refs_changed_on_open_pr
        if not (is_push and splits):
            return None
        if not config.skip_branch_refs_changed_on_open_pr:
            return list(changes or ())
        async with self._api() as api:
            return [
                one for one in changes or () if not await self._is_shown_by_pull(api, told, one)
            ]

    async def _is_shown_by_pull(self, api: rest.Api, told: dict[str, Any], change: Any) -> bool:
        """While that cannot be asked, a push is an event: the sender does not come again."""
        try:
            return await _has_open_pull(api, told, change)
        except rest.ApiError as error:
            log.warning("pull_requests_unknown", error=str(error))
            return False


class ServerHooks:
    """The hooks of every repository. Paths are those of Bitbucket Server's REST API 1.0."""

    def __init__(
        self, config: BitbucketServerSource.Config, surroundings: Surroundings, api: rest.Api
    ) -> None:
        assert config.webhook is not None
        self._config = config
        self._around = surroundings
        self._api = api
        self._url = hooks.address(config.webhook)
        self._ours: dict[str, Any] = {}

    async def ensure(self) -> None:
        await hooks.each(await self._paths(), self._ensure)

    async def _paths(self) -> list[str]:
        config = self._config
        pairs = [(one.project_key, one.repository_slug) for one in config.repositories]
        if config.project_key and config.repository_slug:
            pairs.append((config.project_key, config.repository_slug))
        for project in config.projects:
            path = f"/projects/{quote(project, '')}/repos"
            pairs += [(project, one["slug"]) async for one in _pages(self._api, path)]
        return [_repository(key, slug) + "/webhooks" for key, slug in dict.fromkeys(pairs)]

    async def _ensure(self, path: str) -> None:
        wanted = self._wanted()
        found = [one async for one in _pages(self._api, path) if one.get("url") == self._url]
        if not found:
            made = await self._api.call("POST", path, body=wanted)
            log.info("bitbucketserver_hook_registered", path=path, hook=made["id"])
            self._ours[path] = made["id"]
            return
        hook = found[0]
        is_right = set(hook.get("events", ())) == set(wanted["events"]) and hook.get("active")
        # A hook's secret cannot be read: it is written once by every process.
        if path not in self._ours or not is_right:
            await self._api.call("PUT", f"{path}/{hook['id']}", body=wanted)
        self._ours[path] = hook["id"]

    async def remove(self) -> None:
        async def take_away(path: str) -> None:
            await self._api.call("DELETE", f"{path}/{self._ours[path]}")
            log.info("bitbucketserver_hook_removed", path=path, hook=self._ours[path])

        await hooks.each(self._ours, take_away)

    def _wanted(self) -> dict[str, Any]:
        secret = self._config.webhook_secret
        return {
            "name": f"bireme {self._around.place.name}/{self._around.place.subject}",
            "url": self._url,
            "active": True,
            "events": list(self._config.events),
            "configuration": {"secret": _key(secret, self._around)} if secret else {},
        }


async def _pages(api: rest.Api, path: str, **more: str) -> AsyncIterator[Any]:
    start: Any = 0
    while start is not None:
        page = await api.call("GET", path, query={"limit": "100", "start": str(start), **more})
        for entry in page.get("values", ()):
            yield entry
        start = None if page.get("isLastPage", True) else page.get("nextPageStart")


async def _has_open_pull(api: rest.Api, told: dict[str, Any], change: Any) -> bool:
    """Whether the branch that was pushed to has an open pull request."""
    try:
        ref, place = change["ref"], told["repository"]
        if ref["type"] != "BRANCH" or change["type"] == "DELETE":
            return False
        path = _repository(place["project"]["key"], place["slug"]) + "/pull-requests"
        query = {"direction": "OUTGOING", "state": "OPEN", "at": ref["id"]}
    except (KeyError, TypeError) as error:
        raise Refused(400, f"the push has not what a push has: {error}") from error
    return [one async for one in _pages(api, path, **query)] != []


def _repository(key: str, slug: str) -> str:
    return f"/projects/{quote(key, '')}/repos/{quote(slug, '')}"


def _key(ref: fields.SecretRef, surroundings: Surroundings) -> str:
    """As deliveries are verified with it."""
    return fields.secret(surroundings.secrets, surroundings.place, ref).decode()


def _check(config: BitbucketServerSource.Config, *, manages: bool) -> None:
    if not config.bitbucketserver_base_url:
        raise BadSourceConfig("bitbucketserverBaseURL is missing: write e.g. https://host/rest")
    if manages and not config.events:
        raise BadSourceConfig('events is missing: write e.g. ["repo:refs_changed"]')
    named = (
        config.repositories or config.projects or (config.project_key and config.repository_slug)
    )
    if manages and not named:
        raise BadSourceConfig("repositories or projects: name whose hooks to register")
