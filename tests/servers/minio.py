"""A fake MinIO: storage is moto's S3 behind it, notifications are made here in the form MinIO's server sends them.

No MinIO server can be had from a package. What is faithful: the listen API's request and its endless answer of blanks
and one JSON object a line, as MinIO's own client reads it; what is not: notifications carry only what sources read.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from tests.servers import process

_BLANK_S = 0.2


class Minio:
    """One server. `deaf` loses notifications; `cut` breaks the streams; `asked` has the queries of listeners."""

    def __init__(self, storage: process.Server) -> None:
        self._storage = f"http://127.0.0.1:{storage.port}"
        self._streams: set[asyncio.Queue[bytes | None]] = set()
        self._numbers = itertools.count(1)
        self.port = process.free_port()
        self.deaf = False
        self.refused = False
        self.asked: list[Any] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "events" in request.query:
            return await self._listen(request)
        return await self._store(request)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.query.copy(), dict(request.headers)))
        if self.refused:
            return web.Response(status=403, text="<Code>AccessDenied</Code>")
        told: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams.add(told)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            await self._stream(answer, told)
        self._streams.discard(told)
        return answer

    async def _stream(
        self, answer: web.StreamResponse, told: "asyncio.Queue[bytes | None]"
    ) -> None:
        while True:
            try:
                line = await asyncio.wait_for(told.get(), _BLANK_S)
            except TimeoutError:
                line = b" "
            if line is None:
                return
            await answer.write(line)

    async def _store(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        url = self._storage + request.raw_path
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, data=body, headers=headers) as answer,
        ):
            content = await answer.read()
            if answer.status < 300 and request.method in ("PUT", "DELETE"):
                self._notify(request, len(body), answer.headers.get("ETag", ""))
            kept = {k: v for k, v in answer.headers.items() if k in ("ETag", "Content-Type")}
            return web.Response(status=answer.status, body=content, headers=kept)

    def _notify(self, request: web.Request, size: int, etag: str) -> None:
        bucket, _, key = request.path.lstrip("/").partition("/")
        if self.deaf or not key:
            return
        name = "s3:ObjectCreated:Put" if request.method == "PUT" else "s3:ObjectRemoved:Delete"
        record = {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "eventName": name,
            "s3": {
                "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                "object": {
                    "key": quote(key, safe=""),
                    "size": size,
                    "eTag": etag.strip('"'),
                    "sequencer": f"17C{next(self._numbers):013X}",
                },
            },
        }
        line = json.dumps({"EventName": name, "Key": f"{bucket}/{key}", "Records": [record]})
        for told in self._streams:
            told.put_nowait(line.encode() + b"\n")

    def cut(self) -> None:
        for told in self._streams:
            told.put_nowait(None)


@contextlib.asynccontextmanager
async def running(storage: process.Server) -> AsyncIterator[Minio]:
    minio = Minio(storage)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", minio.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", minio.port).start()
        yield minio
    finally:
        minio.cut()
        await runner.cleanup()
