"""Event source `signedWebhook`: webhooks of anybody who signs them with a shared secret.

    spec:
      signedWebhook:
        orders:                                  # as standardwebhooks.com has it
          webhook: {endpoint: /orders, port: "12000"}
          secret: {name: orders, key: secret}
        builds:                                  # as the sender's documentation has it
          webhook: {endpoint: /builds, port: "12000"}
          secret: {name: builds, key: secret}
          hmac:
            header: X-Signature
            algorithm: sha256
            encoding: hex
            prefix: "sha256="
            signed: "{timestamp}.{body}"
            timestampHeader: X-Timestamp
            idHeader: X-Delivery

Payload: `{"header": {…}, "body": …, "metadata": {…}}`, as that of `webhook`.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any, Literal

import orjson
from aiohttp import web

from events import fields, webhooks
from events.http import Refused
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings
from events.registry import sources

_WINDOW_S = 300.0
_PREFIX = b"whsec_"
_PARTS = re.compile(r"\{(body|timestamp|id)\}")


class Hmac(fields.Fields, frozen=True, kw_only=True):
    """How the sender signs. `signed` is the text under the signature; `timestampHeader` and `idHeader` are what
    `{timestamp}` and `{id}` in it stand for. A header may hold several signatures with commas between."""

    header: str
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: str = ""
    id_header: str = ""


# Signatures are `v1,<base64>` with blanks between.
_STANDARD = Hmac(
    header="webhook-signature",
    encoding="base64",
    prefix="v1,",
    signed="{id}.{timestamp}.{body}",
    timestamp_header="webhook-timestamp",
    id_header="webhook-id",
)


@sources.register("signedWebhook")
class SignedWebhookSource:
    """A delivery is accepted once, by its id where it has one, after its signature held over the raw bytes.

    With a signed timestamp it must be near (`tolerance`, 5m). `previousSecret` is still good while secrets change.
    """

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        secret: fields.SecretRef
        previous_secret: fields.SecretRef | None = None
        hmac: Hmac | None = None
        tolerance: str = ""
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._around = surroundings
        self._scheme = config.hmac or _STANDARD
        self._window_s = fields.seconds(config.tolerance, "tolerance", _WINDOW_S)
        _check(self._scheme)
        method = config.webhook.method if config.webhook else ""
        self._http = webhooks.HttpSource(
            config.webhook, surroundings, self._accept, method or "POST"
        )

    async def run(self, publish: Publish) -> None:
        await self._http.run(publish)

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        self._verify(request, body)
        payload: dict[str, Any] = {
            "header": webhooks.headers(request),
            "body": webhooks.embedded(body),
        }
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        return NewEvent(data=orjson.dumps(payload), dedup=self._delivery_id(request))

    def _verify(self, request: web.BaseRequest, body: bytes) -> None:
        if self._scheme.timestamp_header:
            stamp = self._named(request, "timestamp")
            webhooks.check_moment(stamp, self._around.clock.now(), self._window_s, status=401)
        given = self._given(request)
        text = self._signed_text(request, body)
        for key in self._keys():
            expected = self._signature(key, text)
            if any([webhooks.is_same(one, expected) for one in given]):  # noqa: C419 (all are compared)
                return
        raise Refused(401, "request signature is missing or wrong", close=True)

    def _given(self, request: web.BaseRequest) -> list[str]:
        value = request.headers.get(self._scheme.header, "")
        parts = value.split() if self._config.hmac is None else value.split(",")
        prefix = self._scheme.prefix
        return [
            part.strip().removeprefix(prefix) for part in parts if part.strip().startswith(prefix)
        ]

    def _keys(self) -> list[bytes]:
        refs = [self._config.secret, self._config.previous_secret]
        keys = [webhooks.signing_secret(self._around, ref) for ref in refs if ref is not None]
        return [_key(key) if self._config.hmac is None else key for key in keys if key]

    def _signed_text(self, request: web.BaseRequest, body: bytes) -> bytes:
        parts = _PARTS.split(self._scheme.signed)
        return b"".join(
            part.encode()
            if number % 2 == 0
            else body
            if part == "body"
            else self._named(request, part).encode("utf-8", "surrogateescape")
            for number, part in enumerate(parts)
        )

    def _named(self, request: web.BaseRequest, part: str) -> str:
        header = self._scheme.id_header if part == "id" else self._scheme.timestamp_header
        return request.headers.get(header, "") if header else ""

    def _delivery_id(self, request: web.BaseRequest) -> str:
        header = self._scheme.id_header
        return webhooks.delivery_id(request, header) if header else ""

    def _signature(self, key: bytes, text: bytes) -> bytes:
        made = hmac.new(key, text, getattr(hashlib, self._scheme.algorithm)).digest()
        return base64.b64encode(made) if self._scheme.encoding == "base64" else made.hex().encode()


def _key(secret: bytes) -> bytes:
    """Standard Webhooks writes keys as `whsec_` and base64."""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise Refused(500, "Error loading webhook secret", close=True) from error


def _check(scheme: Hmac) -> None:
    if "{body}" not in scheme.signed:
        raise BadSourceConfig("hmac.signed must hold {body}: an unsigned body proves nothing")
    for part, header, name in (
        ("{timestamp}", scheme.timestamp_header, "timestampHeader"),
        ("{id}", scheme.id_header, "idHeader"),
    ):
        if part in scheme.signed and not header:
            raise BadSourceConfig(f"hmac.signed holds {part}: write hmac.{name} too")
    if scheme.timestamp_header and "{timestamp}" not in scheme.signed:
        raise BadSourceConfig("hmac.timestampHeader: a time that is not signed proves nothing")
