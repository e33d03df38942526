"""Event source `stripe`: deliveries of Stripe webhooks.

    spec:
      stripe:
        payments:
          webhook: {endpoint: /stripe, port: "12000", url: "https://pay.example"}
          eventFilter: [charge.succeeded, charge.failed]
          signingSecret: {name: stripe, key: signing}

Payload: `{"event": {…}, "metadata": {…}}`, the event as Stripe sends it. `signingSecret`, which is ours, verifies the
`Stripe-Signature`. With `createWebhook` and `apiKey` the endpoint is registered once, and the secret Stripe answers
with is kept and verifies from then on.
"""

import hashlib
import hmac
from typing import Any

import msgspec
import orjson
import structlog
from aiohttp import web

from events import fields, hooks, rest, streams, webhooks
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

log = structlog.get_logger(__name__)

_API = "https://api.stripe.com"
_WINDOW_S = 300


class Kept(msgspec.Struct, frozen=True):
    """The endpoint we registered."""

    id: str
    url: str
    secret: str


@sources.register("stripe")
class StripeSource:
    """An event is accepted once, by its own id. One that `eventFilter` does not name is answered 400."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        create_webhook: bool = False
        api_key: fields.SecretRef | None = None
        event_filter: tuple[str, ...] = ()
        signing_secret: fields.SecretRef | None = None
        stripe_base_url: str = msgspec.field(name="stripeBaseURL", default=_API)
        metadata: dict[str, str] | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._http = webhooks.HttpSource(config.webhook, surroundings, self._accept)
        self._secret = b""
        if config.create_webhook:
            if config.api_key is None:
                raise BadSourceConfig("apiKey is needed for createWebhook")
            assert config.webhook is not None  # the listener has refused otherwise
            hooks.address(config.webhook)
        elif config.signing_secret is None:
            name = surroundings.place.subject
            log.warning("stripe_events_not_verified", subject=name, advice="set signingSecret")

    async def run(self, publish: Publish) -> None:
        listening = self._register if self._config.create_webhook else None
        await self._http.run(publish, listening)

    async def _register(self) -> None:
        """Once: Stripe tells the secret only when the endpoint is made."""
        assert self._config.webhook is not None
        url = hooks.address(self._config.webhook)
        state = await self._around.state.load(self._around.place)
        kept = msgspec.json.decode(state, type=Kept) if state else None
        if kept is None or kept.url != url:
            kept = await self._make(url)
            await self._around.state.save(self._around.place, msgspec.json.encode(kept))
        self._secret = kept.secret.encode()

    async def _make(self, url: str) -> Kept:
        assert self._config.api_key is not None
        key = fields.secret(self._around.secrets, self._around.place, self._config.api_key)
        form = {"url": url} | {
            f"enabled_events[{number}]": name
            for number, name in enumerate(self._config.event_filter or ("*",))
        }
        async with rest.session() as session:
            bearer = {"Authorization": f"Bearer {key.decode().strip()}"}
            api = rest.Api(session, self._config.stripe_base_url, bearer)
            made = await api.call("POST", "/v1/webhook_endpoints", form=form)
        log.info("stripe_endpoint_registered", endpoint=made["id"])
        return Kept(made["id"], url, made["secret"])

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        self._verify(request, body)
        event = webhooks.parsed(body)
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise Refused(400, "failed to parse the event")
        if self._config.event_filter and event["type"] not in self._config.event_filter:
            raise Refused(400, "invalid event")
        payload: dict[str, Any] = {"event": orjson.Fragment(streams.compact(body))}
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        return NewEvent(data=orjson.dumps(payload), dedup=str(event.get("id") or ""))

    def _verify(self, request: web.BaseRequest, body: bytes) -> None:
        """`Stripe-Signature: t=<time>,v1=<hex>[,v1=<hex>]`; any of the signatures may be the right one."""
        key = self._key()
        if key is None:
            return
        parts = [
            part.strip().partition("=")
            for part in request.headers.get("Stripe-Signature", "").split(",")
        ]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        webhooks.check_moment(stamp, self._around.clock.now(), _WINDOW_S, status=400)
        signed = stamp.encode() + b"." + body
        expected = hmac.new(key, signed, hashlib.sha256).hexdigest().encode()
        given = [value for name, _, value in parts if name == "v1"]
        if not key or not any(webhooks.is_same(one, expected) for one in given):
            raise Refused(400, "request signature is missing or wrong", close=True)

    def _key(self) -> bytes | None:
        """None when nothing is to be verified with."""
        if self._config.signing_secret is not None:
            return webhooks.signing_secret(self._around, self._config.signing_secret)
        return self._secret if self._config.create_webhook else None
