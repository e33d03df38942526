"""Event source `github`: deliveries of GitHub webhooks, verified before they are parsed, accepted once each.

    spec:
      github:
        ci:
          repositories: [{owner: acme, names: [shop]}]
          webhook: {endpoint: /push, method: POST, port: "12000"}
          events: ["push", "pull_request"]
          webhookSecret: {name: github, key: secret}

Payload: `{"headers": {…}, "body": {…, "X-GitHub-Event": …, "X-GitHub-Delivery": …}, "metadata": {…}}`. With
`webhook.url` and credentials (`apiToken` or `githubApp`) the hooks are registered, looked after every minute, and with
`deleteHookOnFinish` taken away at the end; without, add the hook by hand.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
import structlog
from aiohttp import web

from events import fields, hooks, rest, streams, webhooks
from events.github_app import GithubApp, InstallationToken
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

_DELIVERY = "X-GitHub-Delivery"
_MOST_FORM_FIELDS = 100
_API = "https://api.github.com"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# The stronger signature decides when both are sent.
_SIGNATURES = (
    ("X-Hub-Signature-256", "sha256=", hashlib.sha256),
    ("X-Hub-Signature", "sha1=", hashlib.sha1),
)


class Repositories(fields.Fields, frozen=True, kw_only=True):
    """Repositories of one owner."""

    owner: str = ""
    names: tuple[str, ...] = ()


@sources.register("github")
class GithubSource:
    """Accepts a delivery once, by its `X-GitHub-Delivery`, after its signature held over the raw bytes."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        id: int | str = 0
        owner: str = ""
        repository: str = ""
        repositories: tuple[Repositories, ...] = ()
        organizations: tuple[str, ...] = ()
        events: tuple[str, ...] = ()
        api_token: fields.SecretRef | None = None
        github_app: GithubApp | None = None
        webhook_secret: fields.SecretRef | None = None
        insecure: bool = False
        active: bool = False
        content_type: str = "json"
        github_base_url: str = msgspec.field(name="githubBaseURL", default="")
        github_upload_url: str = msgspec.field(name="githubUploadURL", default="")
        delete_hook_on_finish: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._http = webhooks.HttpSource(config.webhook, surroundings, self._accept)
        if config.content_type not in ("", "json", "form"):
            raise BadSourceConfig(f"contentType is json or form, found {config.content_type!r}")
        self._manages = _manages(config)
        if self._manages:
            _check(config)
        if config.webhook_secret is None:
            name = surroundings.place.subject
            log.warning("github_deliveries_not_verified", subject=name, advice="set webhookSecret")

    async def run(self, publish: Publish) -> None:
        if not self._manages:
            await self._http.run(publish)
            return
        async with rest.session() as session:
            api = rest.Api(session, self._config.github_base_url or _API, _HEADERS)
            await hooks.beside(
                self._http.run(publish),
                GithubHooks(self._config, self._around, api),
                self._around,
                remove_at_end=self._config.delete_hook_on_finish,
            )

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        self._verify(request, body)
        payload: dict[str, Any] = {
            "headers": webhooks.headers(request),
            "body": orjson.Fragment(_body(request, body)),
        }
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        return NewEvent(data=orjson.dumps(payload), dedup=webhooks.delivery_id(request, _DELIVERY))

    def _verify(self, request: web.BaseRequest, body: bytes) -> None:
        """Over the bytes as they came, in constant time, before anything is parsed."""
        ref = self._config.webhook_secret
        if ref is None:
            return
        key = webhooks.signing_secret(self._around, ref)
        if not key or not _is_signed(request, key, body):
            raise Refused(400, "request signature is missing or wrong", close=True)


class GithubHooks(hooks.ListedHooks):
    """The hooks of every repository and organization named. Paths are those of GitHub's REST API."""

    change = "PATCH"

    def __init__(
        self, config: GithubSource.Config, surroundings: Surroundings, api: rest.Api
    ) -> None:
        assert config.webhook is not None
        super().__init__(surroundings, _paths(config))
        self._config = config
        self._api = api
        self._url = hooks.address(config.webhook)
        self._app = self._installation()

    def _is_ours(self, hook: dict[str, Any]) -> bool:
        return bool(hook.get("config", {}).get("url") == self._url)

    def _is_right(self, hook: dict[str, Any], wanted: dict[str, Any]) -> bool:
        where = {k: v for k, v in wanted["config"].items() if k != "secret"}
        return (
            set(hook.get("events", ())) == set(wanted["events"])
            and hook.get("active") == wanted["active"]
            and all(str(hook["config"].get(k)) == v for k, v in where.items())
        )

    def _wanted(self) -> dict[str, Any]:
        config = self._config
        where = {
            "url": self._url,
            "content_type": config.content_type or "json",
            "insecure_ssl": "1" if config.insecure else "0",
        }
        if config.webhook_secret is not None:
            where["secret"] = self._secret(config.webhook_secret)
        return {
            "name": "web",
            "active": config.active,
            "events": list(config.events),
            "config": where,
        }

    def _installation(self) -> InstallationToken | None:
        app = self._config.github_app
        if app is None:
            return None
        return InstallationToken(
            self._api, str(app.app_id), str(app.installation_id), self._around.clock
        )

    async def _authorized(self) -> rest.Api:
        app, token = self._config.github_app, self._config.api_token
        if self._app is not None and app is not None and app.private_key is not None:
            key = fields.secret(self._around.secrets, self._around.place, app.private_key)
            value = await self._app.get(key)
        else:
            assert token is not None  # checked: one of the two is there
            value = self._secret(token)
        return self._api.with_headers({"Authorization": f"Bearer {value.strip()}"})


def _manages(config: GithubSource.Config) -> bool:
    has_key = config.github_app is not None and config.github_app.private_key is not None
    return bool(config.webhook and config.webhook.url) and bool(config.api_token or has_key)


def _check(config: GithubSource.Config) -> None:
    if not config.events:
        raise BadSourceConfig('events is missing: write the events to register, or ["*"]')
    if bool(config.github_base_url) != bool(config.github_upload_url):
        raise BadSourceConfig("githubBaseURL and githubUploadURL go together; one is missing")
    app = config.github_app
    if app is not None and not app.is_whole:
        raise BadSourceConfig("githubApp needs privateKey, appID and installationID")
    if not config.active:
        log.warning("github_hooks_inactive", advice="set active: true")
    if not _paths(config):
        raise BadSourceConfig("repositories or organizations: name whose hooks to register")


def _paths(config: GithubSource.Config) -> list[str]:
    """Where the hooks are. Raises BadSourceConfig unless exactly one of repositories and organizations is given."""
    pairs = [(one.owner, name) for one in config.repositories for name in one.names]
    if config.owner and config.repository:
        pairs.append((config.owner, config.repository))
    if pairs and config.organizations:
        raise BadSourceConfig("repositories and organizations: give one of them, not both")
    paths = [f"/repos/{quote(owner, '')}/{quote(name, '')}/hooks" for owner, name in pairs]
    return paths + [f"/orgs/{quote(name, '')}/hooks" for name in config.organizations]


def _is_signed(request: web.BaseRequest, key: bytes, body: bytes) -> bool:
    for header, prefix, algorithm in _SIGNATURES:
        given = request.headers.get(header)
        if given is not None:
            expected = prefix + hmac.new(key, body, algorithm).hexdigest()
            return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return False


def _body(request: web.BaseRequest, body: bytes) -> bytes:
    """GitHub's object with the event's name and delivery id as its last members; its numbers and order are kept."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip() == webhooks.FORM:
        named = webhooks.form(body.decode("utf-8", "replace"), _MOST_FORM_FIELDS)
        body = named.get("payload", [""])[0].encode()
    parsed = webhooks.parsed(body)
    if not isinstance(parsed, dict):
        raise Refused(400, "the body is not a JSON object")
    added = {
        "X-GitHub-Event": webhooks.word(request, "X-GitHub-Event"),
        _DELIVERY: webhooks.word(request, _DELIVERY),
    }
    start = streams.compact(body)[:-1] + (b"," if parsed else b"")
    return start + orjson.dumps(added)[1:]
