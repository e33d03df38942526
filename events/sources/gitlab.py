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
from aiohttp import web

from events import fields, hooks, rest, webhooks
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

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
            dedup=webhooks.delivery_id(request, "Idempotency-Key"),
        )


class GitlabHooks(hooks.ListedHooks):
    """The hooks of every project and group named. Paths are those of GitLab's REST API."""

    def __init__(
        self, config: GitlabSource.Config, surroundings: Surroundings, api: rest.Api
    ) -> None:
        assert config.webhook is not None
        super().__init__(surroundings, _paths(config))
        self._config = config
        self._api = api
        self._url = hooks.address(config.webhook)

    def _is_ours(self, hook: dict[str, Any]) -> bool:
        return bool(hook.get("url") == self._url)

    def _is_right(self, hook: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return all(hook.get(name) == value for name, value in wanted.items() if name != "token")

    def _wanted(self) -> dict[str, Any]:
        config = self._config
        wanted: dict[str, Any] = {_member(name): name in config.events for name in EVENTS}
        wanted["url"] = self._url
        wanted["enable_ssl_verification"] = config.enable_ssl_verification
        if config.secret_token is not None:
            wanted["token"] = self._secret(config.secret_token)
        return wanted

    async def _authorized(self) -> rest.Api:
        assert self._config.access_token is not None  # else there is nothing to manage
        token = self._secret(self._config.access_token).strip()
        return self._api.with_headers({"PRIVATE-TOKEN": token})


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
