"""A fake of Azure Queue Storage's REST API. The service and its emulator come in no package we can start.

Faithful in paths, verbs, statuses, XML, the shared key's signature, and that a receipt is good for one delivery.
"""

import base64
import hashlib
import hmac
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

from tests.servers import webapi

ACCOUNT, KEY = "shop", b"a key of the account"


class AzureQueue(webapi.WebApi):
    """One queue, `orders`. A message is (id, text); it is hidden once it was received, until `unhide`."""

    def __init__(self) -> None:
        super().__init__()
        self.token_of_machine = ""
        self.visible: list[tuple[str, str]] = []
        self.hidden: dict[str, tuple[str, str, str]] = {}
        self.deleted: list[str] = []

    @property
    def connection(self) -> bytes:
        key = base64.b64encode(KEY).decode()
        endpoint = f"{self.url}/{ACCOUNT}"
        return f"AccountName={ACCOUNT};AccountKey={key};QueueEndpoint={endpoint};\n".encode()

    def send(self, text: str) -> str:
        name = f"00000000-0000-0000-0000-{next(self.numbers):012}"
        self.visible.append((name, text))
        return name

    def unhide(self) -> None:
        """The invisibility of every message has passed."""
        self.visible += [(name, text) for name, (_, text, _) in self.hidden.items()]
        self.hidden.clear()

    async def reply(self, request: web.Request) -> web.StreamResponse:
        bearer = f"Bearer {self.token_of_machine}"
        if request.headers.get("Authorization") != bearer and not self._is_signed(request):
            return _error(403, "AuthenticationFailed")
        queue, _, name = request.path.removeprefix(f"/{ACCOUNT}/").partition("/messages")
        if queue != "orders":
            return _error(404, "QueueNotFound")
        if request.method == "GET":
            return self._receive(int(request.query["numofmessages"]))
        return self._delete(name.strip("/"), request.query["popreceipt"])

    def _is_signed(self, request: web.Request) -> bool:
        own = sorted(name.lower() for name in request.headers if name.lower().startswith("x-ms-"))
        lines = [request.method, *[""] * 11]
        lines += [f"{name}:{request.headers[name]}" for name in own]
        lines.append(f"/{ACCOUNT}{request.path}")
        lines += [f"{name}:{request.query[name]}" for name in sorted(request.query)]
        digest = hmac.new(KEY, "\n".join(lines).encode(), hashlib.sha256).digest()
        wanted = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        return request.headers.get("Authorization") == wanted

    def _receive(self, most: int) -> web.StreamResponse:
        found, self.visible = self.visible[:most], self.visible[most:]
        entries = []
        for name, text in found:
            receipt = f"AgAA+/{next(self.numbers)}=="
            self.hidden[name] = (receipt, text, name)
            entries.append(
                f"<QueueMessage><MessageId>{name}</MessageId>"
                "<InsertionTime>Thu, 26 Nov 2026 14:00:00 GMT</InsertionTime>"
                f"<PopReceipt>{receipt}</PopReceipt><DequeueCount>1</DequeueCount>"
                f"<MessageText>{escape(text)}</MessageText></QueueMessage>"
            )
        head = '<?xml version="1.0" encoding="utf-8"?>'
        text = f"{head}<QueueMessagesList>{''.join(entries)}</QueueMessagesList>"
        return web.Response(body=text.encode("utf-8-sig"), content_type="application/xml")

    def _delete(self, name: str, receipt: str) -> web.StreamResponse:
        if name not in self.hidden:
            return _error(404, "MessageNotFound")
        if self.hidden[name][0] != receipt:
            return _error(400, "PopReceiptMismatch")
        del self.hidden[name]
        self.deleted.append(name)
        return web.Response(status=204)


def _error(status: int, code: str) -> Any:
    return web.Response(status=status, headers={"x-ms-error-code": code})
