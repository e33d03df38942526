"""What every HTTP event source does alike: token, cap, headers, answers. The kinds add how a body becomes a payload."""

import asyncio
import hmac
from collections.abc import Callable
from functools import lru_cache

import structlog
from aiohttp import web

from bireme.kit.errors import BiremeError, ServiceError
from events import fields
from events.http import Refused, Tls, read_body, text
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings

log = structlog.get_logger(__name__)

MASKED = "*** Masked Auth Secret ***"
BODY_PATIENCE_S = 30.0
FORM = "application/x-www-form-urlencoded"
# Go's server takes these out of the headers a handler sees.
_HIDDEN = frozenset({"Host", "Transfer-Encoding", "Trailer"})

Accept = Callable[[web.BaseRequest, bytes], NewEvent]


class HttpSource:
    """Listens as `webhook` says until cancelled. `accept` turns a request and its raw body into an event, or refuses.

    `method` is the only one answered; None means any. The answer is 200 `success` once the event is durable,
    or was turned away by the source's filter.
    """

    def __init__(
        self,
        webhook: fields.Webhook,
        surroundings: Surroundings,
        accept: Accept,
        method: str | None = None,
    ) -> None:
        self._webhook = webhook
        self._around = surroundings
        self._accept = accept
        self._method = method
        self._cap_bytes = webhook.max_payload_size or fields.DEFAULT_CAP_BYTES
        self.port = port(webhook)
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        place = self._around.place
        remove = await self._around.http.route(
            port=self.port,
            path=self._webhook.endpoint,
            handler=self.answer,
            owner=f"{place.kind} '{place.subject}' of EventSource {place.namespace}/{place.name}",
            tls=self._tls(),
        )
        try:
            self._around.ready()
            await asyncio.get_running_loop().create_future()
        finally:
            await remove()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._check_token(request)
        if self._method is not None and request.method != self._method:
            raise Refused(400, "http method does not match", close=True)
        body = await read_body(request, cap_bytes=self._cap_bytes, patience_s=BODY_PATIENCE_S)
        event = self._accept(request, body)
        try:
            await self._publish([event])
        except ServiceError as error:
            log.warning("event_not_recorded", endpoint=self._webhook.endpoint, error=str(error))
            raise Refused(500, "failed to record event") from error
        return text(200, "success")

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
