"""What every HTTP event source does alike: token, cap, headers, answers. The kinds add how a body becomes a payload."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import orjson
import structlog
from aiohttp import web

from bireme.kit.errors import BiremeError, ServiceError
from events import fields, streams
from events.http import Refused, Tls, read_body, text
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings, TooLarge

log = structlog.get_logger(__name__)

MASKED = "*** Masked Auth Secret ***"
BODY_PATIENCE_S = 30.0
FORM = "application/x-www-form-urlencoded"
# Go's server takes these out of the headers a handler sees.
_HIDDEN = frozenset({"Host", "Transfer-Encoding", "Trailer"})

Reply = Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse]]
Accept = Callable[[web.BaseRequest, bytes], NewEvent]


class HttpRoute:
    """Listens as `webhook` says until cancelled. What `reply` is asked has passed token, method, cap and patience.

    `method` is the only one answered; None means any. A `reply` that cannot reach the store is answered 500, so that
    the sender comes again.
    """

    def __init__(
        self,
        webhook: fields.Webhook | None,
        surroundings: Surroundings,
        reply: Reply,
        method: str | None = None,
    ) -> None:
        if webhook is None:
            raise BadSourceConfig("webhook is missing: say on which endpoint and port to listen")
        self._webhook = webhook
        self._around = surroundings
        self._reply = reply
        self._method = method
        self._cap_bytes = webhook.max_payload_size or fields.DEFAULT_CAP_BYTES
        self.port = port(webhook)

    async def run(self, listening: Callable[[], Awaitable[None]] | None = None) -> None:
        """`listening` runs once requests are answered, before the source is ready; then this waits for ever."""
        place = self._around.place
        remove = await self._around.http.route(
            port=self.port,
            path=self._webhook.endpoint,
            handler=self.answer,
            owner=f"{place.kind} '{place.subject}' of EventSource {place.namespace}/{place.name}",
            tls=self._tls(),
        )
        try:
            if listening is not None:
                await listening()
            self._around.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            await remove()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except Refused as refusal:
            self._around.refused(f"{refusal.status} {refusal}")
            raise

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._check_token(request)
        if self._method is not None and request.method != self._method:
            raise Refused(400, "http method does not match", close=True)
        body = await read_body(request, cap_bytes=self._cap_bytes, patience_s=BODY_PATIENCE_S)
        try:
            return await self._reply(request, body)
        except TooLarge as error:
            raise Refused(413, str(error)) from error
        except ServiceError as error:
            log.warning("event_not_recorded", endpoint=self._webhook.endpoint, error=str(error))
            raise Refused(500, "failed to record event") from error

    def _check_token(self, request: web.BaseRequest) -> None:
        """The bearer token, compared in constant time, before anything of the body is read."""
        if self._webhook.auth_secret is None:
            return
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not given:
            raise Refused(401, "Invalid Authorization Header", close=True)
        try:
            token = fields.secret(
                self._around.secrets, self._around.place, self._webhook.auth_secret
            )
        except BiremeError as error:
            log.warning("auth_secret_unreadable", error=str(error))
            raise Refused(500, "Error loading auth token", close=True) from error
        if not token or not hmac.compare_digest(token, given.encode("utf-8", "surrogateescape")):
            raise Refused(401, "Invalid Auth token", close=True)

    def _tls(self) -> Tls | None:
        certificate, key = self._webhook.server_cert_secret, self._webhook.server_key_secret
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise BadSourceConfig(
                "serverCertSecret and serverKeySecret go together; one is missing"
            )
        secrets, place = self._around.secrets, self._around.place
        return Tls(fields.secret(secrets, place, certificate), fields.secret(secrets, place, key))


class HttpSource:
    """A route whose every request is one event. `accept` makes it of the request and its raw body, or refuses.

    The answer is 200 `success` once the event is durable, or was turned away by the source's filter.
    """

    def __init__(
        self,
        webhook: fields.Webhook | None,
        surroundings: Surroundings,
        accept: Accept,
        method: str | None = None,
    ) -> None:
        self._accept = accept
        self._route = HttpRoute(webhook, surroundings, self._reply, method)
        self._publish: Publish

    async def run(
        self, publish: Publish, listening: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._publish = publish
        await self._route.run(listening)

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        await self._publish([self._accept(request, body)], refuse_large=True)
        return text(200, "success")


def payload(request: web.BaseRequest, body: bytes, metadata: dict[str, str] | None) -> bytes:
    """`{"headers", "body", "metadata"}`. Raises Refused 400 when the body is not JSON."""
    members: dict[str, Any] = {"headers": headers(request), "body": embedded(body)}
    if metadata:
        members["metadata"] = metadata
    return orjson.dumps(members)


def embedded(body: bytes) -> orjson.Fragment:
    """The body as it was written, numbers and order too, without blanks between its parts. Raises Refused 400."""
    parsed(body)
    return orjson.Fragment(streams.compact(body))


def parsed(body: bytes) -> Any:
    """The body's JSON. Raises Refused 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not valid JSON: {error}") from error


def dumped(payload: dict[str, Any]) -> bytes:
    """The payload's text. Raises Refused 400 for what was read, but is nested too deeply to be written again."""
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError as error:
        raise Refused(400, f"the body cannot be an event: {error}") from error


def form(text: str, most_fields: int) -> dict[str, list[str]]:
    """The fields of a form or a query, by name; escapes that are no UTF-8 stand as U+FFFD. Raises Refused 400."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=most_fields)
    except ValueError as error:
        raise Refused(400, f"the form cannot be read: {error}") from error


def word(request: web.BaseRequest, header: str) -> str:
    """A header's value as payloads show it: bytes that are no UTF-8 stand as U+FFFD; "" when it is missing."""
    return _raw(request, header).decode("utf-8", "replace")


def delivery_id(request: web.BaseRequest, header: str) -> str:
    """The id a sender gives its delivery, as a text that can be stored; different bytes are different ids."""
    return _raw(request, header).decode("utf-8", "backslashreplace")


def _raw(request: web.BaseRequest, header: str) -> bytes:
    return request.headers.get(header, "").encode("utf-8", "surrogateescape")


def is_same(given: str, expected: bytes) -> bool:
    """Compared in constant time; an empty expectation is met by nothing."""
    return bool(expected) and hmac.compare_digest(
        given.encode("utf-8", "surrogateescape"), expected
    )


def check_moment(stamp: str, now: datetime, window_s: float, *, status: int) -> None:
    """Whether the time that was signed, in seconds since 1970, is near: an old request must not be played again.

    Raises Refused with the status.
    """
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise Refused(status, "the signed timestamp is missing or no number of seconds", close=True)
    if abs(now.timestamp() - int(stamp)) > window_s:
        raise Refused(status, "the signed timestamp is too far from now", close=True)


def signing_secret(surroundings: Surroundings, ref: fields.SecretRef) -> bytes:
    """The key that deliveries are signed with. Raises Refused 500 when it cannot be read."""
    try:
        return fields.secret(surroundings.secrets, surroundings.place, ref)
    except BiremeError as error:
        log.warning("webhook_secret_unreadable", error=str(error))
        raise Refused(500, "Error loading webhook secret", close=True) from error


def port(webhook: fields.Webhook) -> int:
    """The port as a number. Raises BadSourceConfig for an endpoint or a port that cannot work."""
    if not webhook.endpoint:
        raise BadSourceConfig("endpoint can't be empty: write the path to listen on, e.g. /push")
    if webhook.port == "":
        raise BadSourceConfig('port can\'t be empty: write the port to listen on, e.g. "12000"')
    try:
        number = int(webhook.port)
    except ValueError:
        number = -1
    if not 0 < number < 65536:
        raise BadSourceConfig(f"failed to parse server port {webhook.port!r}: expected 1 to 65535")
    return number


def headers(request: web.BaseRequest) -> dict[str, list[str]]:
    """All headers as Go shows them: canonical names in order, lists of values, `Authorization` masked."""
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in request.raw_headers:
        name = _canonical(raw_name)
        if name not in _HIDDEN:
            found.setdefault(name, []).append(raw_value.decode("utf-8", "replace"))
    if any(found.get("Authorization", ())):
        found["Authorization"] = [MASKED]
    return dict(sorted(found.items()))


@lru_cache(maxsize=512)
def _canonical(name: bytes) -> str:
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
