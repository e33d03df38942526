"""A fake of a schema registry: in this process, in memory, over real HTTP. No registry can be had from a package.

Faithful to Confluent's in the path, the credentials, the members of an answer and the errors (40403 for a number that
it does not know); it knows no subjects.
"""

import json
import struct
from typing import Any

from aiohttp import web

from events import rest
from tests.servers.webapi import WebApi


class FakeRegistry(WebApi):
    """`schemas` by their number. With `user`, nobody else is let in."""

    def __init__(self, user: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.schemas: dict[int, dict[str, Any]] = {}
        self.user = user

    def add(self, number: int, schema: Any, **more: Any) -> None:
        self.schemas[number] = {"schema": json.dumps(schema), **more}

    async def reply(self, request: web.Request) -> web.StreamResponse:
        if self.user and request.headers.get("Authorization") != rest.basic(*self.user):
            return web.json_response({"error_code": 401, "message": "Unauthorized"}, status=401)
        before, _, number = request.path.rpartition("/")
        if before != "/schemas/ids" or not number.isdigit():
            return web.json_response({"error_code": 404, "message": "Not Found"}, status=404)
        if int(number) not in self.schemas:
            return web.json_response(
                {"error_code": 40403, "message": f"Schema {number} not found"}, status=404
            )
        return web.json_response(
            self.schemas[int(number)], content_type="application/vnd.schemaregistry.v1+json"
        )


def message(number: int, body: bytes) -> bytes:
    """The body as producers send it."""
    return struct.pack(">BI", 0, number) + body
