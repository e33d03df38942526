"""HTTP listeners that event sources share: one per port, made by its first route, gone with its last.

Bodies are capped and timed before anybody looks at them; a handler that cannot answer raises `Refused`.
"""

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from bireme.kit.errors import ServiceError
from events.ports import BadSourceConfig, EventsError

log = structlog.get_logger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
# A client that was refused may finish sending for this long; then the connection is cut.
_LINGER_S = 2.0
_DRAIN_S = 5.0
# A connection that has not sent a whole head by then, or asks nothing more, is closed.
_HEAD_S = 60.0
_UNANNOUNCED_BYTES = 1_048_576
_RETRY_AFTER_S = 1


class Refused(EventsError):
    """The request is answered with this status and this text, and nothing more is done with it."""

    def __init__(
        self, status: int, text: str, *, close: bool = False, retry_after_s: int = 0
    ) -> None:
        super().__init__(text)
        self.status = status
        self.close = close
        self.retry_after_s = retry_after_s


class PortUnavailable(EventsError, ServiceError):
    """The port cannot be listened on now; it may be free later."""

    retriable = True
    blame = "service"


class Tls(msgspec.Struct, frozen=True):
    """A certificate chain and its key, as PEM."""

    certificate: bytes
    key: bytes

    def context(self) -> ssl.SSLContext:
        """Raises BadSourceConfig when the two do not make a server certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # The library reads files only; the folder is ours alone and gone at once.
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            certificate.write_bytes(self.certificate)
            key.write_bytes(self.key)
            try:
                context.load_cert_chain(certificate, key)
            except (ssl.SSLError, ValueError) as error:
                raise BadSourceConfig(
                    f"serverCertSecret and serverKeySecret are not a certificate and its key: {error}"
                ) from error
        return context


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one port has in hand at once: requests that are read or recorded, and what they may weigh."""

    requests: int = 1000
    bytes: int = 256 * 1024 * 1024


class Gate:
    """Lets requests in while there is room. Who is turned away has been promised nothing, and comes again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._requests = 0
        self._bytes = 0

    @contextmanager
    def room_for(self, request: web.BaseRequest) -> Iterator[None]:
        """Raises Refused 429. A body counts as announced, but no more than a large one; read_body cuts it there."""
        length = request.content_length
        weight = _UNANNOUNCED_BYTES if length is None else min(length, 8 * _UNANNOUNCED_BYTES)
        is_full = self._requests >= self._limits.requests
        if is_full or self._bytes + weight > self._limits.bytes:
            raise Refused(
                429, "too many requests at once", close=True, retry_after_s=_RETRY_AFTER_S
            )
        self._requests += 1
        self._bytes += weight
        try:
            yield
        finally:
            self._requests -= 1
            self._bytes -= weight


class Listeners:
    """The listeners of one process. `close` stops them all; requests under way get a few seconds to end.

    Each port has in hand what `limits` allow; `head_s` is how long a connection may take to ask something.
    """

    def __init__(
        self, host: str = "0.0.0.0", limits: Limits | None = None, head_s: float = _HEAD_S
    ) -> None:
        self._host = host
        self._limits = limits or Limits()
        self._head_s = head_s
        self._open: dict[tuple[str, int], _Listener] = {}
        self._changing = asyncio.Lock()

    async def route(
        self,
        *,
        port: int,
        path: str,
        handler: Handler,
        owner: str,
        host: str = "",
        tls: Tls | None = None,
    ) -> Callable[[], Awaitable[None]]:
        place = (host or self._host, port)
        async with self._changing:
            listener = self._open.get(place)
            if listener is None:
                listener = _Listener(*place, tls, Gate(self._limits), self._head_s)
                listener.add(path, handler, owner)
                await listener.start()
                self._open[place] = listener
            else:
                listener.check_tls(tls, owner)
                listener.add(path, handler, owner)

        async def remove() -> None:
            async with self._changing:
                listener.remove(path)
                if listener.is_idle and self._open.get(place) is listener:
                    del self._open[place]
                    await listener.stop()

        return remove

    async def close(self) -> None:
        async with self._changing:
            listeners = list(self._open.values())
            self._open.clear()
            for listener in listeners:
                await listener.stop()


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """Where the library says what went wrong: requests that are no HTTP are the sender's fault, and come in masses."""

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        fault = kwargs.get("exc_info")
        if isinstance(fault, HttpProcessingError):
            log.info("request_is_no_http", error=fault.message)
        else:
            super().exception(msg, *args, **kwargs)


class _Listener:
    """One port and the paths on it."""

    def __init__(self, host: str, port: int, tls: Tls | None, gate: Gate, head_s: float) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self._gate = gate
        self._routes: dict[str, tuple[Handler, str]] = {}
        self._left: set[str] = set()
        # Bodies stay as they were sent: signatures are made over the raw bytes, and an unpacked body has no cap.
        self._server = web.Server(
            self._answer,
            access_log=None,
            logger=_ServerLog(logging.getLogger(__name__)),
            auto_decompress=False,
            lingering_time=_LINGER_S,
            keepalive_timeout=head_s,
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=_DRAIN_S)

    @property
    def is_idle(self) -> bool:
        return not self._routes

    def check_tls(self, tls: Tls | None, owner: str) -> None:
        if tls != self.tls:
            first = next(iter(self._routes.values()))[1]
            raise BadSourceConfig(
                f"{owner}: port {self.port} is served with other TLS settings by {first}: "
                "give both the same serverCertSecret and serverKeySecret, or use another port"
            )

    def add(self, path: str, handler: Handler, owner: str) -> None:
        if path in self._routes:
            raise BadSourceConfig(
                f"{owner}: port {self.port} endpoint {path} is taken by {self._routes[path][1]}: "
                "use another endpoint or port"
            )
        self._routes[path] = (handler, owner)
        self._left.discard(path)

    def remove(self, path: str) -> None:
        del self._routes[path]
        self._left.add(path)

    async def start(self) -> None:
        context = self.tls.context() if self.tls else None
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port, ssl_context=context).start()
        except OSError as error:
            await self._runner.cleanup()
            raise PortUnavailable(
                f"cannot listen on {self.host}:{self.port}: {error.strerror or error}"
            ) from error

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        route = self._routes.get(request.raw_path) or self._routes.get(request.path)
        if route is None:
            return self._elsewhere(request)
        try:
            with self._gate.room_for(request):
                return await route[0](request)
        except Refused as refusal:
            return _refused(refusal)
        except (
            Exception
        ) as error:  # one request's fault must not take the connection's other requests along
            log.exception("request_failed", owner=route[1], error=str(error))
            return text(500, "internal error")

    def _elsewhere(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/health" and request.method in ("GET", "HEAD"):
            return text(200, "OK")
        if request.path in self._left:
            return text(400, "endpoint is inactive")
        return text(404, "404 page not found")


def _refused(refusal: Refused) -> web.Response:
    response = text(refusal.status, str(refusal))
    if refusal.retry_after_s:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.close:
        response.force_close()
    return response


def text(status: int, words: str) -> web.Response:
    """A plain answer."""
    return web.Response(status=status, body=words.encode(), content_type="text/plain")


async def read_body(request: web.BaseRequest, *, cap_bytes: int, patience_s: float) -> bytes:
    """The whole body as it was sent. Refuses what is longer than the cap or slower than the patience.

    No more than the cap and one network buffer is ever held, whatever the sender announces.
    """
    if request.content_length is not None and request.content_length > cap_bytes:
        raise _too_large(cap_bytes)
    content = request.content
    if content.is_eof():
        body = content.read_nowait(-1)
    else:
        body = await _read_slowly(request, cap_bytes, patience_s)
    if len(body) > cap_bytes:
        raise _too_large(cap_bytes)
    return body


async def _read_slowly(request: web.BaseRequest, cap_bytes: int, patience_s: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience_s):
            while size <= cap_bytes and (chunk := await request.content.readany()):
                chunks.append(chunk)
                size += len(chunk)
    except TimeoutError:
        raise Refused(
            408, f"the body did not arrive within {patience_s:g} seconds", close=True
        ) from None
    except (web.PayloadAccessError, ConnectionError) as error:
        raise Refused(400, f"the body cannot be read: {error}", close=True) from error
    return b"".join(chunks)


def _too_large(cap_bytes: int) -> Refused:
    return Refused(400, f"the body is larger than {cap_bytes} bytes (maxPayloadSize)", close=True)
