"""Event source `gitlab`: deliveries of GitLab webhooks, their token verified.

    spec:
      gitlab:
        ci:
          projects: ["42", "acme/shop"]
          events: [PushEvents, MergeRequestsEvents]
          gitlabBaseURL: https://gitlab.com
          accessToken: {name: gitlab, key: token}
          secretToken: {name: gitlab, key: secret}
          webhook: {endpoint: /gitlab, port: "12000", url: "https://ci.example"}

Payload: `{"headers": {…}, "body": …, "metadata": {…}}`. With `webhook.url` and `accessToken` the hooks of projects and
groups are registered and looked after.
"""

import re
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import web

from events import fields, hooks, rest, webhooks
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

EVENTS = (
    "PushEvents",
    "TagPushEvents",
    "IssuesEvents",
    "ConfidentialIssuesEvents",
    "MergeRequestsEvents",
    "NoteEvents",
    "ConfidentialNoteEvents",
    "JobEvents",
    "PipelineEvents",
    "WikiPageEvents",
    "DeploymentEvents",
    "ReleasesEvents",
)


@sources.register("gitlab")
class GitlabSource:
    """A delivery is one event, by GitLab's `Idempotency-Key`. The token is verified whoever made the hook."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        project_id: str = msgspec.field(name="projectID", default="")
        projects: tuple[str, ...] = ()
        groups: tuple[str, ...] = ()
        events: tuple[str, ...] = ()
        access_token: fields.SecretRef | None = None
        secret_token: fields.SecretRef | None = None
        enable_ssl_verification: bool = msgspec.field(name="enableSSLVerification", default=False)
        gitlab_base_url: str = msgspec.field(name="gitlabBaseURL", default="")
        delete_hook_on_finish: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._http = webhooks.HttpSource(config.webhook, surroundings, self._accept)
        self._manages = bool(config.webhook and config.webhook.url and config.access_token)
        if self._manages:
            _check(config)

    async def run(self, publish: Publish) -> None:
        listening = self._http.run(publish)
        if not self._manages:
            await listening
            return
        async with rest.session() as session:
            api = rest.Api(session, f"{self._config.gitlab_base_url.rstrip('/')}/api/v4")
            await hooks.beside(
                listening,
                GitlabHooks(self._config, self._around, api),
                self._around,
                remove_at_end=self._config.delete_hook_on_finish,
            )

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        if self._config.secret_token is not None:
            expected = webhooks.signing_secret(self._around, self._config.secret_token)
            if not webhooks.is_same(request.headers.get("X-Gitlab-Token", ""), expected):
                raise Refused(400, "token mismatch", close=True)
        return NewEvent(
            data=webhooks.payload(request, body, self._config.metadata),
            dedup=request.headers.get("Idempotency-Key", ""),
        )


class GitlabHooks:
    """The hooks of every project and group named. Paths are those of GitLab's REST API."""

    def __init__(
        self, config: GitlabSource.Config, surroundings: Surroundings, api: rest.Api
    ) -> None:
        assert config.webhook is not None
        self._config = config
        self._around = surroundings
        self._api = api
        self._url = hooks.address(config.webhook)
        self._paths = _paths(config)
        self._ours: dict[str, set[int]] = {}

    async def ensure(self) -> None:
        api = self._with_token()
        await hooks.each(self._paths, lambda path: self._ensure(path, api))

    async def _ensure(self, path: str, api: rest.Api) -> None:
        wanted = self._wanted()
        found = [hook async for hook in api.numbered_pages(path) if hook.get("url") == self._url]
        if not found:
            made = await api.call("POST", path, body=wanted)
            log.info("gitlab_hook_registered", path=path, hook=made["id"])
            self._ours[path] = {made["id"]}
            return
        # A hook's token cannot be read: it is written once by every process.
        is_first = path not in self._ours
        for hook in found:
            if is_first or any(hook.get(k) != v for k, v in wanted.items() if k != "token"):
                await api.call("PUT", f"{path}/{hook['id']}", body=wanted)
        self._ours[path] = {hook["id"] for hook in found}

    async def remove(self) -> None:
        api = self._with_token()
        for path, ids in self._ours.items():
            for hook in ids:
                await api.call("DELETE", f"{path}/{hook}")
                log.info("gitlab_hook_removed", path=path, hook=hook)

    def _wanted(self) -> dict[str, Any]:
        config = self._config
        wanted: dict[str, Any] = {_member(name): name in config.events for name in EVENTS}
        wanted["url"] = self._url
        wanted["enable_ssl_verification"] = config.enable_ssl_verification
        if config.secret_token is not None:
            wanted["token"] = self._secret(config.secret_token)
        return wanted

    def _with_token(self) -> rest.Api:
        assert self._config.access_token is not None  # else there is nothing to manage
        return self._api.with_headers({"PRIVATE-TOKEN": self._secret(self._config.access_token)})

    def _secret(self, ref: fields.SecretRef) -> str:
        return fields.secret(self._around.secrets, self._around.place, ref).decode().strip()


def _member(name: str) -> str:
    """`TagPushEvents` is `tag_push_events` in the API."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _check(config: GitlabSource.Config) -> None:
    if not config.events:
        raise BadSourceConfig("events is missing: write the events to register")
    if unknown := sorted(set(config.events) - set(EVENTS)):
        raise BadSourceConfig(f"events: unknown {unknown[0]!r}; known: {', '.join(EVENTS)}")
    if not config.gitlab_base_url:
        raise BadSourceConfig("gitlabBaseURL is missing: write e.g. https://gitlab.com")
    if not _paths(config):
        raise BadSourceConfig("projects or groups: name whose hooks to register")


def _paths(config: GitlabSource.Config) -> list[str]:
    projects = [*config.projects, *([config.project_id] if config.project_id else [])]
    return [f"/projects/{quote(one, '')}/hooks" for one in projects] + [
        f"/groups/{quote(one, '')}/hooks" for one in config.groups
    ]
