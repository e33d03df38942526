"""Event source `cloudevents`: CloudEvents 1.0 over HTTP, in binary, structured and batched mode.

    spec:
      cloudevents:
        orders:
          webhook: {endpoint: /events, port: "12000", authSecret: {name: hook, key: token}}
          allowedOrigins: [eventgrid.azure.net]

Payload: `{"event": {"specversion", "id", "source", "type", …, "data"}, "metadata": {…}}`, the event in the JSON format.
The event's time is the sender's; its source, type and extensions are attributes.
"""

from typing import Any

import orjson
from aiohttp import web

from events import cloudevents, fields, webhooks
from events.http import Refused, text
from events.ports import NewEvent, Publish, Surroundings
from events.registry import sources

_OWN = frozenset({"specversion", "id", "source", "type", "time", "data", "data_base64"})


@sources.register("cloudevents")
class CloudEventsSource:
    """An event is accepted once, by its source and id. A batch is accepted whole or not at all."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        webhook: fields.Webhook | None = None
        allowed_origins: tuple[str, ...] = ()
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._config = config
        self._route = webhooks.HttpRoute(config.webhook, surroundings, self._reply)
        self._publish: Publish

    async def run(self, publish: Publish) -> None:
        self._publish = publish
        await self._route.run()

    async def _reply(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return self._consent(request)
        if request.method != "POST":
            raise Refused(405, f"unsupported method: {request.method}")
        content_type = request.headers.get("Content-Type", "")
        try:
            found = cloudevents.from_request(content_type, request.headers, body)
        except (cloudevents.NotACloudEvent, UnicodeDecodeError) as error:
            raise Refused(400, str(error)) from error
        if found:
            await self._publish([self._event(one) for one in found], refuse_large=True)
        return text(200, "success")

    def _consent(self, request: web.BaseRequest) -> web.Response:
        """Senders ask before they send, so that nobody can be flooded through them."""
        origin = request.headers.get("WebHook-Request-Origin", "")
        allowed = self._config.allowed_origins
        if not origin.isascii() or not origin or not ("*" in allowed or origin in allowed):
            raise Refused(403, "this origin is not in allowedOrigins")
        answer = text(200, "")
        answer.headers["WebHook-Allowed-Origin"] = origin
        answer.headers["WebHook-Allowed-Rate"] = "*"
        return answer

    def _event(self, found: dict[str, Any]) -> NewEvent:
        payload: dict[str, Any] = {"event": found}
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        attributes = {"cesource": found["source"], "cetype": found["type"]}
        attributes |= {name: str(value) for name, value in found.items() if name not in _OWN}
        time = cloudevents.moment(found["time"]) if "time" in found else None
        return NewEvent(
            data=webhooks.dumped(payload),
            dedup=orjson.dumps([found["source"], found["id"]]).decode(),
            time=time,
            attributes=attributes,
        )
