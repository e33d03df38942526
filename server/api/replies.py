"""How answers leave: JSON bodies, errors with Argo's codes, streams of results."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
from aiohttp import web

from bireme.kit.errors import BiremeError, Conflict, NotFound, ServiceError, UserError

KEEP_ALIVE_S = 15.0

_GRPC_TO_HTTP = {3: 400, 5: 404, 6: 409, 7: 403, 13: 500, 14: 503, 16: 401}
INVALID, NOT_FOUND, EXISTS, FORBIDDEN, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = _GRPC_TO_HTTP


def encoded(value: Any) -> bytes:
    """JSON bytes of plain values and Structs."""
    return orjson.dumps(value, default=msgspec.to_builtins)


def reply(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=encoded(value), status=status, content_type="application/json")


def failure(code: int, message: str, *, problems: Any = (), status: int = 0) -> web.Response:
    """An error as Argo's gateway writes it: the gRPC code in the body, the HTTP status beside it."""
    body: dict[str, Any] = {"code": code, "message": message, "details": []}
    if problems:
        body["problems"] = problems
    return reply(body, status or _GRPC_TO_HTTP[code])


def failure_of(error: BiremeError) -> web.Response:
    """What our own errors mean to a client."""
    problems = getattr(error, "problems", ())
    return failure(code_of(error), str(error), problems=problems)


def code_of(error: BiremeError) -> int:
    """The gRPC code for an error."""
    table = ((NotFound, NOT_FOUND), (Conflict, EXISTS), (UserError, INVALID))
    for kind, code in table:
        if isinstance(error, kind):
            return code
    return UNAVAILABLE if isinstance(error, ServiceError) else INTERNAL


def listing(kind: str, items: list[Any], *, version: str = "", **extra: Any) -> web.Response:
    """A list as Kubernetes writes it."""
    metadata = {key: value for key, value in {"resourceVersion": version, **extra}.items() if value}
    return reply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": kind,
            "metadata": metadata,
            "items": items,
        }
    )


async def stream(request: web.Request, results: AsyncIterator[Any]) -> web.StreamResponse:
    """Send `{"result": …}` for each, as server-sent events if the client asks for them, else line by line.

    A quiet stream of server-sent events gets a comment every 15 seconds. An error ends it with `{"error": …}`.
    """
    sse = "text/event-stream" in request.headers.get("Accept", "")
    content_type = "text/event-stream" if sse else "application/json"
    response = web.StreamResponse(
        headers={
            "Content-Type": content_type,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        }
    )
    first = await _first(results)
    await response.prepare(request)
    before, after = (b"data: ", b" \n\n") if sse else (b"", b"\n")
    try:
        async for message in _messages(first, results, keep_alive=sse):
            await response.write(b":\n" if message is None else before + message + after)
    except ConnectionError:
        return response
    await response.write_eof()
    return response


async def _first(results: AsyncIterator[Any]) -> "asyncio.Future[Any]":
    """The first result under way. Errors that are known at once (no such workflow) are raised: they get a status."""
    pending = asyncio.ensure_future(anext(results, _END))
    await asyncio.wait([pending], timeout=0.05)
    if pending.done():
        pending.result()
    return pending


_END = object()


async def _messages(
    pending: "asyncio.Future[Any]", results: AsyncIterator[Any], *, keep_alive: bool
) -> AsyncIterator[bytes | None]:
    try:
        while True:
            await asyncio.wait([pending], timeout=KEEP_ALIVE_S if keep_alive else None)
            if not pending.done():
                yield None
                continue
            try:
                result = pending.result()
            except BiremeError as error:
                yield encoded({"error": _stream_error(error)})
                return
            if result is _END:
                return
            yield encoded({"result": result})
            pending = asyncio.ensure_future(anext(results, _END))
    finally:
        pending.cancel()


def _stream_error(error: BiremeError) -> dict[str, Any]:
    code = code_of(error)
    return {
        "grpc_code": code,
        "http_code": _GRPC_TO_HTTP[code],
        "message": str(error),
        "http_status": "",
        "details": [],
    }
