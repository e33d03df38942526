"""`http` templates: one request, made by the engine itself.

```yaml
templates:
  - name: notify
    http:
      url: "https://hooks.example.com/{{inputs.parameters.room}}"
      method: POST
      headers:
        - {name: Authorization, valueFrom: {secretKeyRef: {name: hooks, key: token}}}
      body: '{"text": "built"}'
      timeoutSeconds: 20
      successCondition: response.statusCode == 201
```

Success is a status 2xx unless `successCondition` says otherwise; the body of the answer is the step's result either
way. The request carries the step's id as `Idempotency-Key`. When the engine is killed while it waits for the answer, a
request whose method may be repeated by HTTP's own rules (GET, PUT, …) is sent again with the same key; any other
one ends in Error, because nobody knows whether it arrived. Redirects are followed as the http trigger follows them,
never inwards.
"""

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any

from bireme.kit import outward
from bireme.kit.errors import BiremeError, UserError
from bireme.lang import expr
from bireme.lang.errors import LangError
from executor.agent import Agent, Ending
from executor.model import Outputs, Task
from executor.ports import ExecutorError
from executor.registry import backends
from executor.surroundings import Surroundings

if TYPE_CHECKING:
    import aiohttp

RESULT_BYTES = 1 << 20
"""Longest answer: it becomes a value of the run's history."""

IDEMPOTENCY = "Idempotency-Key"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REPEATABLE = _METHODS - {"POST", "PATCH"}


class BadRequest(ExecutorError, UserError):
    """The template cannot be made into a request; the message names the field."""


@backends.register("http")
class HttpBackend(Agent):
    """Sends the requests of `http` templates. The client is made at the first one."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._client: aiohttp.ClientSession | None = None

    async def perform(self, task: Task, again: bool) -> Ending:
        request = self._request(task)
        if again and request.method not in _REPEATABLE:
            return Ending(
                "error",
                f"the engine stopped while {request.method} {request.url} was under way, and it is not known"
                " whether the request arrived; a retryStrategy with retryPolicy Always sends it again",
            )
        return await self._send(task, request)

    async def close(self) -> None:
        await super().close()
        if self._client is not None:
            await self._client.close()

    async def _send(self, task: Task, request: outward.Request) -> Ending:
        import aiohttp

        limit_s = task.template["http"].get("timeoutSeconds") or None
        try:
            async with asyncio.timeout(limit_s) as limit:
                answer = await outward.send(self._session(), request, RESULT_BYTES)
        except (aiohttp.ClientError, OSError, ValueError, outward.OutwardRefused) as error:
            late = f"no answer within {limit_s} s" if limit.expired() else ""
            text = late or str(error) or type(error).__name__
            return Ending("failed", f"{request.method} {request.url}: {text}")
        outputs = Outputs(result=answer.body.decode("utf-8", "replace"))
        problem = judge(task.template["http"].get("successCondition") or "", request, answer)
        return Ending("failed" if problem else "succeeded", problem, outputs)

    def _session(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._client is None:
            self._client = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
            )
        return self._client

    def _request(self, task: Task) -> outward.Request:
        """Raises BadRequest, or what the secrets have against a reference."""
        block = task.template["http"]
        method = block.get("method") or "GET"
        if method not in _METHODS:
            raise BadRequest(
                f"{_field(task)}.method is '{method}', expected one of {', '.join(sorted(_METHODS))}"
            )
        plain, secret = self._headers(task, block.get("headers") or [])
        return outward.Request(
            method,
            block.get("url") or "",
            headers=plain if _names_a_key(plain, secret) else {IDEMPOTENCY: task.id, **plain},
            secrets=secret,
            body=_body(task, block),
            verify=not block.get("insecureSkipVerify"),
        )

    def _headers(
        self, task: Task, declared: list[dict[str, Any]]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Plain headers, and those whose values are secrets."""
        plain, secret = {}, {}
        for number, header in enumerate(declared):
            reference = (header.get("valueFrom") or {}).get("secretKeyRef")
            if reference is None:
                plain[header["name"]] = str(header.get("value") or "")
            else:
                field = f"{_field(task)}.headers[{number}].valueFrom.secretKeyRef"
                secret[header["name"]] = self._secret(task, reference, field)
        return plain, secret

    def _secret(self, task: Task, reference: dict[str, Any], field: str) -> str:
        try:
            found = self.surroundings.secrets.secret(
                task.namespace, reference["name"], reference["key"]
            )
        except BiremeError as error:
            raise BadRequest(f"{field}: {error}") from error
        return found.decode("utf-8", "replace").removesuffix("\n")


def _names_a_key(*headers: dict[str, str]) -> bool:
    """Whether the manifest brings an idempotency key of its own."""
    return any(name.lower() == IDEMPOTENCY.lower() for part in headers for name in part)


def judge(condition: str, request: outward.Request, answer: outward.Answer) -> str:
    """Why the answer is a failure, in Argo's words; empty when it is a success."""
    if not condition:
        is_good = 200 <= answer.status < 300
        return "" if is_good else f"received non-2xx response code: {answer.status}"
    try:
        holds = expr.eval_bool(condition, _scope(request, answer))
    except LangError as error:
        return str(error)
    return "" if holds else f"successCondition '{condition}' evaluated false"


def _scope(request: outward.Request, answer: outward.Answer) -> dict[str, Any]:
    """What a condition sees. Headers are lists by canonical name; secret ones are not shown."""
    sent = request.body or b""
    return {
        "request": {
            "method": request.method,
            "url": request.url,
            "body": sent if isinstance(sent, str) else sent.decode("utf-8", "replace"),
            "bodyBytes": list(sent.encode() if isinstance(sent, str) else sent),
            "headers": _listed(request.headers.items()),
        },
        "response": {
            "statusCode": answer.status,
            "body": answer.body.decode("utf-8", "replace"),
            "headers": _listed(answer.headers),
        },
    }


def _listed(headers: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault("-".join(p.capitalize() for p in name.split("-")), []).append(value)
    return found


def _body(task: Task, block: dict[str, Any]) -> bytes | str | None:
    encoded = (block.get("bodyFrom") or {}).get("bytes")
    if encoded is None:
        return block.get("body") or None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"{_field(task)}.bodyFrom.bytes is not base64: {error}") from error


def _field(task: Task) -> str:
    return f"template '{task.template.get('name', task.node_name)}' http"
