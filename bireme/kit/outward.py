"""One HTTP request to somebody else's server, its redirects followed, never inwards.

For triggers and `http` templates. The address a person wrote may be private; where an answer sends us may not, unless
it stays on the same host: an answer from outside cannot make us call something inside.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from bireme.kit.errors import UserError

if TYPE_CHECKING:
    import aiohttp

_LIMIT = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})


class OutwardRefused(UserError):
    """The request, or where its answer leads, is not allowed; doing it again changes nothing."""


class AnswerTooLarge(OutwardRefused):
    """The body of the answer is longer than asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `secrets` are headers too, which no other host is ever sent; `verify` is for TLS."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    verify: bool = True


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
    for _ in range(_LIMIT + 1):
        async with session.request(
            request.method,
            request.url,
            data=request.body,
            headers={**request.headers, **request.secrets},
            allow_redirects=False,
            ssl=request.verify,
        ) as answer:
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target:
                body = await _read(answer, body_limit)
                return Answer(answer.status, tuple(answer.headers.items()), body)
            status = answer.status
        request = await _following(request, target, status)
    raise OutwardRefused(f"stopped after {_LIMIT} redirects, the last one to {request.url}")


async def _read(answer: "aiohttp.ClientResponse", limit: int) -> bytes:
    if not limit:
        return b""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > limit:
            raise AnswerTooLarge(f"the answer of {answer.url} is longer than {limit} bytes")
    return bytes(body)


async def _following(request: Request, target: str, status: int) -> Request:
    """The request that a redirect asks for. The same host is as trusted as it was; another one must be public."""
    url = urljoin(request.url, target)
    here, there = urlsplit(request.url), urlsplit(url)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise OutwardRefused(f"redirect from {request.url} to {url} refused: not an http address")
    if here.netloc != there.netloc:
        if not await _is_public(there.hostname):
            raise OutwardRefused(
                f"redirect from {request.url} to {url} refused: it leads to a private address"
            )
        plain = {k: v for k, v in request.headers.items() if k.lower() not in _OF_ONE_HOST}
        request = replace(request, headers=plain, secrets={})
    if status not in _KEEPS_METHOD and request.method not in ("GET", "HEAD"):
        return replace(request, url=url, method="GET", body=None)
    return replace(request, url=url)


_OF_ONE_HOST = frozenset({"authorization", "cookie", "host"})


async def _is_public(host: str) -> bool:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(entry[4][0]).is_global for entry in found)
