"""One HTTP request to somebody else's server, its redirects followed, never inwards.

For triggers and `http` templates. The address a person wrote may be private where the `Reach` says so; where an answer
sends us may not, unless it stays on the same host: an answer from outside cannot make us call something inside. What is
checked is the address of the very connection (`reach.guarded`): a name cannot lead elsewhere between check and use.
"""

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from ssl import SSLContext
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from bireme.kit.errors import UserError
from bireme.kit.reach import PUBLIC, Reach, ReachRefused

if TYPE_CHECKING:
    import aiohttp

_LIMIT = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})


class OutwardRefused(UserError):
    """The request, or where its answer leads, is not allowed; doing it again changes nothing."""


class _Guard:
    """Makes the sockets of a session: none to an address out of reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    def __call__(self, found: Any) -> socket.socket:
        family, kind, protocol, _, address = found
        try:
            self._reach.check(address[0])
        except ReachRefused as error:
            raise OutwardRefused(str(error)) from error
        return socket.socket(family, kind, protocol)


def session(reach: Reach) -> "aiohttp.ClientSession":
    """A client that keeps no cookies and connects to nothing out of reach. Close it."""
    import aiohttp

    # One address after the other: what the guard raises must come out, not be counted as one more that failed.
    connector = aiohttp.TCPConnector(socket_factory=_Guard(reach), happy_eyeballs_delay=None)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class AnswerTooLarge(OutwardRefused):
    """The body of the answer is longer than asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `secrets` are headers too, which no other host is ever sent; `tls` says whom to trust and
    who we are, in place of `verify`; no other host is shown it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    verify: bool = True
    tls: SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back at the end of the redirects; header names as the server wrote them."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


async def send(session: "aiohttp.ClientSession", request: Request, body_limit: int = 0) -> Answer:
    """The final answer, with a body of at most `body_limit` bytes; 0 leaves the body unread.

    Raises OutwardRefused, AnswerTooLarge, and what aiohttp raises.
    """
    async with AsyncExitStack() as stack:
        for _ in range(_LIMIT + 1):
            answer = await _ask(session, request, body_limit)
            if isinstance(answer, Answer):
                return answer
            following = _following(request, answer)
            if _netloc(following) != _netloc(request):
                session = await stack.enter_async_context(_public(request, following))
            request = following
    raise OutwardRefused(f"stopped after {_LIMIT} redirects, the last one to {request.url}")


@dataclass(frozen=True, slots=True)
class _Redirect:
    """Where an answer leads, and with which status."""

    target: str
    status: int


async def _ask(
    session: "aiohttp.ClientSession", request: Request, body_limit: int
) -> Answer | _Redirect:
    async with session.request(
        request.method,
        request.url,
        data=request.body,
        headers={**request.headers, **request.secrets},
        allow_redirects=False,
        ssl=request.tls or request.verify,
    ) as answer:
        target = answer.headers.get("Location")
        if answer.status in _REDIRECTS and target:
            return _Redirect(target, answer.status)
        body = await _read(answer, body_limit)
        return Answer(answer.status, tuple(answer.headers.items()), body)


async def _read(answer: "aiohttp.ClientResponse", limit: int) -> bytes:
    if not limit:
        return b""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > limit:
            raise AnswerTooLarge(f"the answer of {answer.url} is longer than {limit} bytes")
    return bytes(body)


def _following(request: Request, redirect: _Redirect) -> Request:
    """The request that a redirect asks for; another host is shown no secrets."""
    url = urljoin(request.url, redirect.target)
    there = urlsplit(url)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise OutwardRefused(f"redirect from {request.url} to {url} refused: not an http address")
    following = replace(request, url=url)
    if _netloc(request) != there.netloc:
        plain = {k: v for k, v in request.headers.items() if k.lower() not in _OF_ONE_HOST}
        following = replace(following, headers=plain, secrets={}, tls=None)
    if redirect.status not in _KEEPS_METHOD and request.method not in ("GET", "HEAD"):
        return replace(following, method="GET", body=None)
    return following


_OF_ONE_HOST = frozenset({"authorization", "cookie", "host"})


def _netloc(request: Request) -> str:
    return urlsplit(request.url).netloc


@asynccontextmanager
async def _public(here: Request, there: Request) -> AsyncGenerator["aiohttp.ClientSession", None]:
    """A client for where another host sends us: it reaches public addresses only."""
    async with session(PUBLIC) as client:
        try:
            yield client
        except OutwardRefused as error:
            raise OutwardRefused(
                f"redirect from {here.url} to {there.url} refused: {error}"
            ) from error
