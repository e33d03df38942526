"""The `http` trigger: one HTTP request per firing, with the firing's id as its idempotency key.

    template:
      name: notify
      http:
        url: https://hooks.example.com/build
        method: POST
        headers: {Content-Type: application/json}
        secureHeaders:
          - {name: Authorization, valueFrom: {secretKeyRef: {name: hooks, key: token}}}
        payload:
          - {src: {dependencyName: push, dataKey: body.ref}, dest: ref}
    policy: {status: {allow: [200, 201]}}

Secrets are read when the request is sent and are never part of a row. A redirect is followed only to the same host or
to a public address: an answer from outside cannot make us call something inside. Where the engine serves others, the
url itself must be public too, or in a network that BIREME_TARGETS lists. `Idempotency-Key` is the same at
every attempt.
"""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bireme.kit import outward
from bireme.manifests.events import TriggerParameter
from events.model import Event
from sensors import definition, fields, parameters
from sensors.credentials import Credentials
from sensors.errors import BadSensor
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings
from sensors.web import Web

Json = dict[str, Any]

_METHODS = frozenset({"GET", "DELETE", "PATCH", "POST", "PUT"})
_IDEMPOTENCY = "Idempotency-Key"


@triggers.register("http")
class HttpTrigger:
    """Sends requests; of the answer only the status is looked at."""

    class Config(fields.Sent, frozen=True):
        """Argo's fields, which the manifest is checked against."""

        url: str = ""
        method: str = ""
        headers: dict[str, str] = {}
        dynamic_headers: list[TriggerParameter] = []
        secure_headers: list[fields.SecureHeader] = []
        basic_auth: fields.BasicAuth | None = None
        tls: fields.Tls | None = None
        timeout: int = 0
        host: str = ""

    def __init__(self, surroundings: Surroundings) -> None:
        self.secrets = surroundings.secrets
        self.web = Web(surroundings.reach)

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "http", events)
        method = block.get("method") or "POST"
        if method not in _METHODS:
            raise BadSensor(f"http.method is {method!r}, expected one of {sorted(_METHODS)}")
        payload = parameters.decode(block.get("payload"))
        return {
            "url": _url(block),
            "method": method,
            "headers": _headers(block, events),
            "secure": block.get("secureHeaders") or [],
            "basic": block.get("basicAuth"),
            "tls": block.get("tls"),
            "body": parameters.payload(payload, events).decode() if payload else None,
            "timeout_s": block.get("timeout") or 60,
            "allow": definition.allowed_statuses(given),
        }

    async def fire(self, firing: Firing) -> Receipt:
        spec = firing.spec or {}
        credentials = Credentials(self.secrets, firing.namespace, "http")
        request = outward.Request(
            spec["method"],
            spec["url"],
            headers={_IDEMPOTENCY: firing.id, **spec["headers"]},
            secrets=credentials.headers(spec["secure"]) | credentials.basic(spec["basic"]),
            body=spec["body"],
            tls=credentials.tls(spec["tls"]),
        )
        answer = await self.web.send(request, timeout_s=spec["timeout_s"])
        definition.check_status(answer.status, spec["allow"])
        return Receipt(kind="http", status=answer.status)

    async def close(self) -> None:
        await self.web.close()


def _url(block: Json) -> str:
    url = str(block.get("url") or "")
    if not url:
        raise BadSensor("http.url is missing")
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadSensor(f"http.url is {url!r}, expected http://… or https://…")
    return url


def _headers(block: Json, events: Mapping[str, Event]) -> dict[str, str]:
    """`headers`, then `dynamicHeaders`. A value of an event cannot smuggle in a second header."""
    headers = dict(block.get("headers") or {})
    for parameter in parameters.decode(block.get("dynamicHeaders")):
        found = parameters.resolve(parameter.src, events)
        if found is not None:
            headers[parameter.dest] = found.text
    if block.get("host"):
        headers["Host"] = block["host"]
    for name, value in headers.items():
        if any(sign in f"{name}{value}" for sign in "\r\n\0"):
            raise BadSensor(f"http.headers: {name!r} has a line break in its name or value")
    return headers
