"""Event source `slack`: events, interactions and slash commands of a Slack app, their signature verified.

    spec:
      slack:
        bot:
          token: {name: slack, key: token}
          signingSecret: {name: slack, key: signing}
          webhook: {endpoint: /slack, port: "12000", method: POST}

Payload: the inner event (`{"type": "message", "text": …}`), the interaction, or the slash command's fields as an
object; nothing around it. Slack's check of the address (`url_verification`) is answered.
"""

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from events import fields, webhooks
from events.http import Refused, text
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

_WINDOW_S = 300
_MOST_FIELDS = 200
# Slash commands name no delivery; what starts an answer to one is unique.
_COMMAND_ID = "trigger_id"


@sources.register("slack")
class SlackSource:
    """A delivery is one event, by Slack's `event_id` or trigger id. Wrong or old signatures are answered 401."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        token: fields.SecretRef | None = None
        signing_secret: fields.SecretRef | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        if config.signing_secret is None:
            raise BadSourceConfig("signingSecret not provided: requests cannot be verified")
        if config.token is None:
            raise BadSourceConfig("token not provided")
        self._signing_secret = config.signing_secret
        self._around = surroundings
        self._route = webhooks.HttpRoute(config.webhook, surroundings, self._reply)
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        await self._route.run()

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        self._verify(request, body)
        told = _form(body) if _is_form(request) else _object(body)
        if told.get("type") == "url_verification":
            return text(200, str(told.get("challenge", "")))
        if (event := _event(told)) is not None:
            await self._publish([event], refuse_large=True)
        return text(200, "success")

    def _verify(self, request: web.BaseRequest, body: bytes) -> None:
        """Slack's v0 scheme: over the time and the bytes as they came, and the time must be near."""
        key = webhooks.signing_secret(self._around, self._signing_secret)
        stamp = request.headers.get("X-Slack-Request-Timestamp", "")
        webhooks.check_moment(stamp, self._around.clock.now(), _WINDOW_S, status=401)
        signed = b"v0:" + stamp.encode() + b":" + body
        expected = "v0=" + hmac.new(key, signed, hashlib.sha256).hexdigest()
        given = request.headers.get("X-Slack-Signature", "")
        if not key or not webhooks.is_same(given, expected.encode()):
            raise Refused(401, "request signature is missing or wrong", close=True)


def _is_form(request: web.BaseRequest) -> bool:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
    return kind == webhooks.FORM


def _form(body: bytes) -> dict[str, Any]:
    """The interaction in a form's `payload`, or the form of a slash command itself."""
    try:
        named = parse_qs(
            body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise Refused(400, f"the form cannot be read: {error}") from error
    if "payload" in named:
        return _object(named["payload"][0].encode())
    if "command" in named:
        return {name: values[0] for name, values in named.items()}
    raise Refused(400, "the form is neither an interaction nor a slash command")


def _object(body: bytes) -> dict[str, Any]:
    told = webhooks.parsed(body)
    if not isinstance(told, dict):
        raise Refused(400, "the body is not a JSON object")
    return told


def _event(told: dict[str, Any]) -> NewEvent | None:
    if told.get("type") != "event_callback":
        delivery = str(told.get(_COMMAND_ID) or "")
        return NewEvent(data=webhooks.dumped(told), dedup=delivery)
    inner = told.get("event")
    if not isinstance(inner, dict):
        raise Refused(400, "the callback has no event")
    attributes = {
        name.replace("_", ""): str(told[name])
        for name in ("team_id", "api_app_id", "event_id")
        if told.get(name)
    }
    return NewEvent(
        data=webhooks.dumped(inner), dedup=str(told.get("event_id") or ""), attributes=attributes
    )
