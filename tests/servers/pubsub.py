"""A fake of Google Cloud Pub/Sub's REST API for subscribers. The real service and its emulator cannot be started here.

Faithful in paths, verbs, statuses, leases (a message in hand is not given again until it is given back), the token
exchange of a service account, and that `deliveryAttempt` is there only with a dead letter topic.
"""

import asyncio
import base64
import json
from collections import deque
from typing import Any

from aiohttp import web

from tests.servers import webapi

_WAIT_S = 0.2  # how long a pull waits for messages


class PubSub(webapi.WebApi):
    """`topics` there are; `token` is what a client must show, None for an emulator."""

    def __init__(self, *topics: str, token: str | None = None, public_key: Any = None) -> None:
        super().__init__()
        self.topics = set(topics)
        self.token = token
        self.public_key = public_key
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.waiting: deque[dict[str, Any]] = deque()
        self.leased: dict[str, dict[str, Any]] = {}
        self.acked: list[str] = []
        self.returned: list[str] = []

    def subscribe(self, path: str, topic: str, **more: Any) -> None:
        self.subscriptions[path] = {"name": path, "topic": topic, **more}

    def send(self, body: bytes, name: str = "", **attributes: str) -> str:
        name = name or str(next(self.numbers))
        message: dict[str, Any] = {
            "data": base64.b64encode(body).decode(),
            "messageId": name,
            "publishTime": "2026-11-26T14:00:00.120Z",
        }
        if attributes:
            message["attributes"] = attributes
        self.waiting.append(message)
        return name

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await self._exchange(request)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _error(401, "UNAUTHENTICATED")
        path, _, verb = request.path.removeprefix("/v1/").partition(":")
        body = await request.json() if request.can_read_body else {}
        if request.method == "PUT":
            return self._create(path, body)
        if path not in self.subscriptions:
            return _error(404, f"Resource not found (resource={path.rpartition('/')[2]}).")
        if request.method == "DELETE":
            del self.subscriptions[path]
            return web.json_response({})
        if request.method == "GET":
            return web.json_response(self.subscriptions[path])
        return await self._act(path, verb, body)

    def _create(self, path: str, body: dict[str, Any]) -> web.StreamResponse:
        if body["topic"] not in self.topics:
            return _error(404, "Requested project or topic not found.")
        self.subscribe(path, **body)
        return web.json_response(self.subscriptions[path])

    async def _act(self, path: str, verb: str, body: dict[str, Any]) -> web.StreamResponse:
        if verb == "pull":
            return await self._pull(path, body["maxMessages"])
        for ack in body["ackIds"]:
            message = self.leased.pop(ack)
            if verb == "acknowledge":
                self.acked.append(message["messageId"])
            else:
                assert (verb, body["ackDeadlineSeconds"]) == ("modifyAckDeadline", 0)
                self.returned.append(message["messageId"])
        return web.json_response({})

    async def _pull(self, path: str, most: int) -> web.StreamResponse:
        if not self.waiting:
            await asyncio.sleep(_WAIT_S)
        found = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        if not found:
            return web.json_response({})
        received = []
        for message in found:
            ack = f"ack-{next(self.numbers)}"
            self.leased[ack] = message
            entry = {"ackId": ack, "message": message}
            if "deadLetterPolicy" in self.subscriptions[path]:
                entry["deliveryAttempt"] = 1
            received.append(entry)
        return web.json_response({"receivedMessages": received})

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        head, claims, signature = str((await request.post())["assertion"]).split(".")
        self.public_key.verify(
            base64.urlsafe_b64decode(signature + "=="),
            f"{head}.{claims}".encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        assert json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"] == f"{self.url}/token"
        return web.json_response({"access_token": self.token, "expires_in": 3600})


def _error(status: int, words: str) -> web.StreamResponse:
    return web.json_response({"error": {"code": status, "message": words}}, status=status)
