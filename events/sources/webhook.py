"""Event source `webhook`: any JSON or form that is sent to a path becomes an event.

    spec:
      webhook:
        push: {endpoint: /push, method: POST, port: "12000", authSecret: {name: hook, key: token}}

Payload: `{"header": {name: [values]}, "body": …, "metadata": {…}}`; the body as it was written, but for blanks between
its parts.
"""

from typing import Any

import orjson
from aiohttp import web

from events import fields, webhooks
from events.http import Refused
from events.ports import NewEvent, Publish, Surroundings
from events.registry import sources

_MOST_FORM_FIELDS = 10_000


@sources.register("webhook")
class WebhookSource:
    """Accepts what is valid JSON or a form; a GET's query is its body. Other methods than GET and POST are refused."""

    class Config(fields.Webhook, frozen=True, kw_only=True):
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._metadata = config.metadata
        self._http = webhooks.HttpSource(config, surroundings, self._accept, config.method)

    async def run(self, publish: Publish) -> None:
        await self._http.run(publish)

    def _accept(self, request: web.BaseRequest, body: bytes) -> NewEvent:
        payload: dict[str, Any] = {
            "header": webhooks.headers(request),
            "body": _body(request, body),
        }
        if self._metadata:
            payload["metadata"] = self._metadata
        return NewEvent(data=orjson.dumps(payload))


def _body(request: web.BaseRequest, body: bytes) -> Any:
    if request.method == "GET":
        return _form(request.raw_path.partition("?")[2])
    if request.method != "POST":
        raise Refused(400, f"unsupported method: {request.method}")
    if request.headers.get("Content-Type") == webhooks.FORM:
        return _form(body.decode("utf-8", "replace"))
    return webhooks.embedded(body)


def _form(text: str) -> dict[str, list[str]]:
    return dict(sorted(webhooks.form(text, _MOST_FORM_FIELDS).items()))
