"""Event source `gerrit`: events of Gerrit's webhooks plugin.

    spec:
      gerrit:
        review:
          hookName: bireme
          events: [patchset-created, change-merged]
          projects: [shop]
          gerritBaseURL: https://gerrit.example
          auth:
            username: {name: gerrit, key: username}
            password: {name: gerrit, key: password}
          webhook: {endpoint: /gerrit, port: "12000", url: "https://ci.example"}

Payload: `{"headers": {…}, "body": …, "metadata": {…}}`. With `webhook.url` the remotes are registered and looked after.
The plugin signs nothing: keep the port to yourself, or set `webhook.authSecret` where a proxy adds the header.
"""

from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web

from events import fields, hooks, rest, webhooks
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

# Gerrit puts this in front of its JSON, so that no page can run it as a script.
_GUARD = b")]}'"


class Auth(fields.Fields, frozen=True, kw_only=True):
    """User and HTTP password."""

    username: fields.SecretRef
    password: fields.SecretRef


@sources.register("gerrit")
class GerritSource:
    """Every request is an event; the plugin sends no delivery id."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        hook_name: str = ""
        events: tuple[str, ...] = ()
        auth: Auth | None = None
        gerrit_base_url: str = msgspec.field(name="gerritBaseURL", default="")
        projects: tuple[str, ...] = ()
        delete_hook_on_finish: bool = False
        ssl_verify: bool = False
        max_tries: int = 0
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._http = webhooks.HttpSource(config.webhook, surroundings, self._accept)
        self._manages = bool(config.webhook and config.webhook.url)
        if self._manages:
            _check(config)

    async def run(self, publish: Publish) -> None:
        listening = self._http.run(publish)
        if not self._manages:
            await listening
            return
        async with rest.session() as session:
            api = rest.Api(session, self._config.gerrit_base_url, guard=_GUARD)
            await hooks.beside(
                listening,
                GerritHooks(self._config, self._around, api),
                self._around,
                remove_at_end=self._config.delete_hook_on_finish,
            )

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        return NewEvent(data=webhooks.payload(request, body, self._config.metadata))


class GerritHooks:
    """The plugin's remote of our name in every project. Paths are those of its REST API."""

    def __init__(
        self, config: GerritSource.Config, surroundings: Surroundings, api: rest.Api
    ) -> None:
        assert config.webhook is not None
        self._config = config
        self._around = surroundings
        self._api = api
        self._url = hooks.address(config.webhook)

    async def ensure(self) -> None:
        api = self._authorized()
        await hooks.each(self._paths(), lambda path: self._ensure(path, api))

    async def _ensure(self, path: str, api: rest.Api) -> None:
        wanted = self._wanted()
        try:
            found = await api.call("GET", path) or {}
        except rest.ApiError as error:
            if error.status != 404:
                raise
            found = {}
        if any(found.get(name) != value for name, value in wanted.items()):
            await api.call("PUT", path, body=wanted)
            log.info("gerrit_hook_registered", path=path)

    async def remove(self) -> None:
        api = self._authorized()

        async def take_away(path: str) -> None:
            await api.call("DELETE", path)
            log.info("gerrit_hook_removed", path=path)

        await hooks.each(self._paths(), take_away)

    def _paths(self) -> list[str]:
        name = quote(self._config.hook_name, "")
        return [
            f"/a/config/server/webhooks~projects/{quote(project, '')}/remotes/{name}"
            for project in self._config.projects
        ]

    def _wanted(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "url": self._url,
            "events": list(self._config.events),
            "sslVerify": self._config.ssl_verify,
        }
        if self._config.max_tries:
            wanted["maxTries"] = self._config.max_tries
        return wanted

    def _authorized(self) -> rest.Api:
        auth = self._config.auth
        assert auth is not None  # checked
        user, password = (
            fields.secret(self._around.secrets, self._around.place, ref).decode().strip()
            for ref in (auth.username, auth.password)
        )
        value = rest.basic(user, password)
        return self._api.with_headers({"Authorization": value})


def _check(config: GerritSource.Config) -> None:
    missing = [
        name
        for name, value in (
            ("hookName", config.hook_name),
            ("events", config.events),
            ("auth", config.auth),
            ("gerritBaseURL", config.gerrit_base_url),
            ("projects", config.projects),
        )
        if not value
    ]
    if missing:
        raise BadSourceConfig(
            f"{', '.join(missing)}: needed to register hooks (webhook.url is set)"
        )
