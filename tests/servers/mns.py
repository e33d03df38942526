"""A fake of Alibaba's message service by its REST API. The service comes in no package we can start.

Faithful in paths, verbs, statuses, XML, the signature, and that a receipt is good for one delivery.
"""

import base64
import hashlib
import hmac
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

from tests.servers import webapi

ACCESS_KEY, SECRET_KEY = "LTAI", b"a key of the account"
_SPACE = 'xmlns="http://mns.aliyuncs.com/doc/v1/"'


class Mns(webapi.WebApi):
    """One queue, `orders`. A received message is hidden until `unhide`. It answers at once, whatever wait is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.visible: list[tuple[str, str]] = []
        self.hidden: dict[str, tuple[str, str]] = {}
        self.deleted: list[str] = []

    def send(self, text: str) -> str:
        name = f"5F290C926D472878-2-14D9529A8FA-{next(self.numbers):09}"
        self.visible.append((name, text))
        return name

    def unhide(self) -> None:
        """The invisibility of every message has passed."""
        self.visible += self.hidden.values()
        self.hidden.clear()

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if not _is_signed(request):
            return _error(403, "SignatureDoesNotMatch")
        if request.path != "/queues/orders/messages":
            return _error(404, "QueueNotExist")
        if request.method == "GET":
            return self._receive(int(request.query["numOfMessages"]))
        return self._delete(request.query["ReceiptHandle"])

    def _receive(self, most: int) -> web.StreamResponse:
        found, self.visible = self.visible[:most], self.visible[most:]
        if not found:
            return _error(404, "MessageNotExist")
        entries = []
        for name, text in found:
            receipt = f"1-ODU4OTkzNDU5My0xNDMy+/{next(self.numbers)}=="
            self.hidden[receipt] = (name, text)
            entries.append(
                f"<Message><MessageId>{name}</MessageId><ReceiptHandle>{receipt}</ReceiptHandle>"
                f"<MessageBody>{escape(text)}</MessageBody><DequeueCount>1</DequeueCount></Message>"
            )
        return _xml(200, f"<Messages {_SPACE}>{''.join(entries)}</Messages>")

    def _delete(self, receipt: str) -> web.StreamResponse:
        if receipt not in self.hidden:
            return _error(404, "MessageNotExist")
        self.deleted.append(self.hidden.pop(receipt)[0])
        return web.Response(status=204)


def _is_signed(request: web.Request) -> bool:
    headers = request.headers
    own = sorted(name.lower() for name in headers if name.lower().startswith("x-mns-"))
    resource = request.path + "?" + "&".join(f"{k}={v}" for k, v in request.query.items())
    lines = [request.method, headers.get("Content-MD5", ""), headers.get("Content-Type", "")]
    lines += [headers["Date"], *(f"{name}:{headers[name]}" for name in own), resource]
    digest = hmac.new(SECRET_KEY, "\n".join(lines).encode(), hashlib.sha1).digest()
    wanted = f"MNS {ACCESS_KEY}:{base64.b64encode(digest).decode()}"
    return headers.get("Authorization") == wanted


def _error(status: int, code: str) -> Any:
    return _xml(status, f"<Error {_SPACE}><Code>{code}</Code><Message>no</Message></Error>")


def _xml(status: int, text: str) -> web.StreamResponse:
    head = '<?xml version="1.0"?>'
    return web.Response(status=status, text=head + text, content_type="text/xml")
