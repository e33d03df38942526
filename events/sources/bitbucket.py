"""Event source `bitbucket`: deliveries of Bitbucket Cloud webhooks.

    spec:
      bitbucket:
        ci:
          repositories: [{owner: acme, repositorySlug: shop}]
          events: ["repo:push"]
          auth: {oauthToken: {name: bitbucket, key: token}}
          webhookSecret: {name: bitbucket, key: secret}
          webhook: {endpoint: /bitbucket, port: "12000", url: "https://ci.example"}

Payload: `{"headers": {…}, "body": …, "metadata": {…}}`. With `webhook.url` the hooks are registered and looked after.
`webhookSecret`, which is ours, is registered with them, and deliveries are verified with it.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from aiohttp import web

from events import fields, hooks, rest, webhooks
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

_API = "https://api.bitbucket.org/2.0"


class Repository(fields.Fields, frozen=True, kw_only=True):
    """A repository of a workspace."""

    owner: str
    repository_slug: str


class Basic(fields.Fields, frozen=True, kw_only=True):
    """User and app password."""

    username: fields.SecretRef
    password: fields.SecretRef


class Auth(fields.Fields, frozen=True, kw_only=True):
    """One of the two."""

    basic: Basic | None = None
    oauth_token: fields.SecretRef | None = None


@sources.register("bitbucket")
class BitbucketSource:
    """A delivery is one event, by its `X-Request-UUID`."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        auth: Auth | None = None
        events: tuple[str, ...] = ()
        repositories: tuple[Repository, ...] = ()
        owner: str = ""
        repository_slug: str = ""
        project_key: str = ""
        webhook_secret: fields.SecretRef | None = None
        bitbucket_base_url: str = msgspec.field(name="bitbucketBaseURL", default=_API)
        delete_hook_on_finish: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._http = webhooks.HttpSource(config.webhook, surroundings, self._accept)
        self._manages = bool(config.webhook and config.webhook.url and config.auth)
        if self._manages:
            _check(config)

    async def run(self, publish: Publish) -> None:
        listening = self._http.run(publish)
        if not self._manages:
            await listening
            return
        async with rest.session() as session:
            await hooks.beside(
                listening,
                BitbucketHooks(
                    self._config,
                    self._around,
                    rest.Api(session, self._config.bitbucket_base_url),
                ),
                self._around,
                remove_at_end=self._config.delete_hook_on_finish,
            )

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        if self._config.webhook_secret is not None:
            key = webhooks.signing_secret(self._around, self._config.webhook_secret)
            expected = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
            given = request.headers.get("X-Hub-Signature", "")
            if not key or not webhooks.is_same(given, expected.encode()):
                raise Refused(400, "request signature is missing or wrong", close=True)
        return NewEvent(
            data=webhooks.payload(request, body, self._config.metadata),
            dedup=webhooks.delivery_id(request, "X-Request-UUID"),
        )


class BitbucketHooks:
    """The hooks of every repository named. Paths are those of Bitbucket's REST API 2.0."""

    def __init__(
        self, config: BitbucketSource.Config, surroundings: Surroundings, api: rest.Api
    ) -> None:
        assert config.webhook is not None
        self._config = config
        self._around = surroundings
        self._api = api
        self._url = hooks.address(config.webhook)
        self._ours: dict[str, str] = {}

    async def ensure(self) -> None:
        api = self._authorized()
        await hooks.each(_paths(self._config), lambda path: self._ensure(path, api))

    async def _ensure(self, path: str, api: rest.Api) -> None:
        wanted = self._wanted()
        found = await self._find(path, api)
        if found is None:
            found = await api.call("POST", path, body=wanted)
            log.info("bitbucket_hook_registered", path=path, hook=found["uuid"])
        elif path not in self._ours or set(found.get("events", ())) != set(wanted["events"]):
            await api.call("PUT", f"{path}/{quote(found['uuid'], '')}", body=wanted)
        self._ours[path] = found["uuid"]

    async def _find(self, path: str, api: rest.Api) -> dict[str, Any] | None:
        query: dict[str, str] | None = {"pagelen": "100"}
        while query is not None:
            page = await api.call("GET", path, query=query) or {}
            for hook in page.get("values", ()):
                if hook.get("url") == self._url:
                    return dict(hook)
            query = _next(page)
        return None

    async def remove(self) -> None:
        api = self._authorized()

        async def take_away(path: str) -> None:
            await api.call("DELETE", f"{path}/{quote(self._ours[path], '')}")
            log.info("bitbucket_hook_removed", path=path, hook=self._ours[path])

        await hooks.each(self._ours, take_away)

    def _wanted(self) -> dict[str, Any]:
        config = self._config
        wanted = {
            "description": f"bireme {self._around.place.name}/{self._around.place.subject}",
            "url": self._url,
            "active": True,
            "events": list(config.events),
        }
        if config.webhook_secret is not None:
            ref, place = config.webhook_secret, self._around.place
            wanted["secret"] = fields.secret(self._around.secrets, place, ref).decode()
        return wanted

    def _authorized(self) -> rest.Api:
        auth = self._config.auth
        assert auth is not None  # else there is nothing to manage
        if auth.oauth_token is not None:
            value = f"Bearer {self._secret(auth.oauth_token)}"
        else:
            assert auth.basic is not None  # checked: one of the two is there
            user, password = self._secret(auth.basic.username), self._secret(auth.basic.password)
            value = rest.basic(user, password)
        return self._api.with_headers({"Authorization": value})

    def _secret(self, ref: fields.SecretRef) -> str:
        return fields.secret(self._around.secrets, self._around.place, ref).decode().strip()


def _next(page: dict[str, Any]) -> dict[str, str] | None:
    """The query of the next page: of the address that the answer names, no more than the query is believed."""
    pairs = [part.partition("=") for part in urlsplit(page.get("next", "")).query.split("&")]
    return {name: value for name, _, value in pairs if name} or None


def _check(config: BitbucketSource.Config) -> None:
    auth = config.auth
    if auth is None or (auth.basic is None) == (auth.oauth_token is None):
        raise BadSourceConfig("auth: give one of basic and oauthToken")
    if not config.events:
        raise BadSourceConfig('events is missing: write e.g. ["repo:push"]')
    if not _paths(config):
        raise BadSourceConfig("repositories: name whose hooks to register")


def _paths(config: BitbucketSource.Config) -> list[str]:
    pairs = [(one.owner, one.repository_slug) for one in config.repositories]
    if config.owner and config.repository_slug:
        pairs.append((config.owner, config.repository_slug))
    return [f"/repositories/{quote(owner, '')}/{quote(slug, '')}/hooks" for owner, slug in pairs]
