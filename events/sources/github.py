"""Event source `github`: deliveries of GitHub webhooks, verified before they are parsed, accepted once each.

    spec:
      github:
        ci:
          repositories: [{owner: acme, names: [shop]}]
          webhook: {endpoint: /push, method: POST, port: "12000"}
          events: ["push", "pull_request"]
          webhookSecret: {name: github, key: secret}

Payload: `{"headers": {…}, "body": {…, "X-GitHub-Event": …, "X-GitHub-Delivery": …}, "metadata": {…}}`. Hooks are not
registered with GitHub by this release: add the hook by hand.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson
import structlog
from aiohttp import web

from bireme.kit.errors import BiremeError
from events import fields, webhooks
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

# The stronger signature decides when both are sent.
_SIGNATURES = (
    ("X-Hub-Signature-256", "sha256=", hashlib.sha256),
    ("X-Hub-Signature", "sha1=", hashlib.sha1),
)


class Repositories(fields.Fields, frozen=True, kw_only=True):
    """Repositories of one owner."""

    owner: str = ""
    names: tuple[str, ...] = ()


class GithubApp(fields.Fields, frozen=True, kw_only=True):
    """Credentials for registering hooks."""

    private_key: fields.SecretRef | None = None
    app_id: int | str = msgspec.field(name="appID", default=0)
    installation_id: int | str = msgspec.field(name="installationID", default=0)


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
        if config.webhook is None:
            raise BadSourceConfig("webhook is missing: say on which endpoint and port to listen")
        self._config = config
        self._around = surroundings
        self._http = webhooks.HttpSource(config.webhook, surroundings, self._accept)
        self._advise(config, config.webhook)

    async def run(self, publish: Publish) -> None:
        await self._http.run(publish)

    def _advise(self, config: Config, webhook: fields.Webhook) -> None:
        name = self._around.place.subject
        if webhook.url and (config.api_token or config.github_app):
            log.warning("github_hook_not_registered", subject=name, advice="add the hook by hand")
        if config.webhook_secret is None:
            log.warning("github_deliveries_not_verified", subject=name, advice="set webhookSecret")

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        self._verify(request, body)
        delivery = request.headers.get("X-GitHub-Delivery", "")
        payload: dict[str, Any] = {
            "headers": webhooks.headers(request),
            "body": orjson.Fragment(_body(request, body, delivery)),
        }
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        return NewEvent(data=orjson.dumps(payload), dedup=delivery)

    def _verify(self, request: web.BaseRequest, body: bytes) -> None:
        """Over the bytes as they came, in constant time, before anything is parsed."""
        ref = self._config.webhook_secret
        if ref is None:
            return
        try:
            key = fields.secret(self._around.secrets, self._around.place, ref)
        except BiremeError as error:
            log.warning("webhook_secret_unreadable", error=str(error))
            raise Refused(500, "Error loading webhook secret", close=True) from error
        if not key or not _is_signed(request, key, body):
            raise Refused(400, "request signature is missing or wrong", close=True)


def _is_signed(request: web.BaseRequest, key: bytes, body: bytes) -> bool:
    for header, prefix, algorithm in _SIGNATURES:
        given = request.headers.get(header)
        if given is not None:
            expected = prefix + hmac.new(key, body, algorithm).hexdigest()
            return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return False


def _body(request: web.BaseRequest, body: bytes, delivery: str) -> bytes:
    """GitHub's object with the event's name and delivery id as its last members; its own bytes are not re-encoded."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip() == webhooks.FORM:
        body = parse_qs(body, max_num_fields=100).get(b"payload", [b""])[0]
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise Refused(400, "the body is not a JSON object")
    added = {
        "X-GitHub-Event": request.headers.get("X-GitHub-Event", ""),
        "X-GitHub-Delivery": delivery,
    }
    start = body.rstrip()[:-1] + (b"," if parsed else b"")
    return start + orjson.dumps(added)[1:]
