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
to a public address: an answer from outside cannot make us call something inside.
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bireme.kit import outward
from bireme.kit.errors import BiremeError
from events.model import Event
from sensors import definition, parameters
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin, Receipt
from sensors.registry import triggers
from sensors.surroundings import Surroundings

if TYPE_CHECKING:
    import aiohttp

Json = dict[str, Any]

_METHODS = frozenset({"GET", "DELETE", "PATCH", "POST", "PUT"})
_IDEMPOTENCY = "Idempotency-Key"


@triggers.register("http")
class HttpTrigger:
    """Sends requests. The client is made at the first one."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.secrets = surroundings.secrets
        self._client: aiohttp.ClientSession | None = None

    def prepare(self, given: Json, events: Mapping[str, Event], origin: Origin) -> Json:
        block = definition.block(given, "http", events)
        method = block.get("method") or "POST"
        if method not in _METHODS:
            raise BadSensor(f"http.method is {method!r}, expected one of {sorted(_METHODS)}")
        if not block.get("url"):
            raise BadSensor("http.url is missing")
        if block.get("tls"):
            raise BadSensor("http.tls is not supported yet; the system's trust store is used")
        payload = parameters.decode(block.get("payload"))
        return {
            "url": block["url"],
            "method": method,
            "headers": _headers(block, events),
            "secure": block.get("secureHeaders") or [],
            "basic": block.get("basicAuth"),
            "body": parameters.payload(payload, events).decode() if payload else None,
            "timeout_s": block.get("timeout") or 60,
            "allow": ((given.get("policy") or {}).get("status") or {}).get("allow"),
        }

    async def fire(self, firing: Firing) -> Receipt:
        import aiohttp

        spec = firing.spec or {}
        request = outward.Request(
            spec["method"],
            spec["url"],
            headers={_IDEMPOTENCY: firing.id, **spec["headers"]},
            secrets=self._secret_headers(firing),
            body=spec["body"],
        )
        try:
            async with asyncio.timeout(spec["timeout_s"]):
                status = (await outward.send(self._session(), request)).status
        except outward.OutwardRefused as error:
            raise TriggerRefused(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = str(error) or type(error).__name__
            raise TriggerFailed(f"{spec['method']} {spec['url']} failed: {text}") from error
        check_status(status, spec["allow"])
        return Receipt(kind="http", status=status)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _session(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._client is None:
            self._client = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._client

    def _secret_headers(self, firing: Firing) -> dict[str, str]:
        spec = firing.spec or {}
        found = {item["name"]: self._value(firing, item) for item in spec["secure"]}
        if basic := spec["basic"]:
            user, password = (self._secret(firing, basic[key]) for key in ("username", "password"))
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            found["Authorization"] = f"Basic {token}"
        return found

    def _value(self, firing: Firing, item: Json) -> str:
        source = item.get("valueFrom") or {}
        if secret := source.get("secretKeyRef"):
            return self._secret(firing, secret)
        if config := source.get("configMapKeyRef"):
            return self.secrets.config(firing.namespace, config["name"], config["key"])
        raise TriggerRefused(
            f"http.secureHeaders: '{item['name']}' needs valueFrom.secretKeyRef or configMapKeyRef"
        )

    def _secret(self, firing: Firing, reference: Json) -> str:
        try:
            found = self.secrets.secret(firing.namespace, reference["name"], reference["key"])
        except BiremeError as error:
            raise TriggerFailed(str(error)) from error
        return found.decode().removesuffix("\n")


def check_status(status: int, allow: list[int] | None) -> None:
    """Every status is a success unless the policy lists the allowed ones. Raises TriggerFailed with Argo's words."""
    if allow and status not in allow:
        raise TriggerFailed(
            f"policy application resulted in failure. http response status {status} is not allowed"
        )


def _headers(block: Json, events: Mapping[str, Event]) -> dict[str, str]:
    headers = dict(block.get("headers") or {})
    for parameter in parameters.decode(block.get("dynamicHeaders")):
        found = parameters.resolve(parameter.src, events)
        if found is not None:
            headers[parameter.dest] = found.text
    if block.get("host"):
        headers["Host"] = block["host"]
    return headers
