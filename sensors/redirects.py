"""Sending one request and following its redirects, never inwards."""

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from sensors.errors import TriggerRefused

if TYPE_CHECKING:
    import aiohttp

_LIMIT = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})


async def send(
    session: "aiohttp.ClientSession", request: dict[str, Any], headers: dict[str, str]
) -> int:
    """The final status. Raises TriggerRefused for a redirect to a private address, or for too many."""
    url, method, body = request["url"], request["method"], request["body"]
    for _ in range(_LIMIT + 1):
        async with session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target:
                return answer.status
            status = answer.status
        url = await _next(url, target)
        if urlsplit(url).netloc != urlsplit(request["url"]).netloc:
            headers = {name: headers[name] for name in headers if name in request["headers"]}
            headers.pop("Authorization", None)
        if status not in _KEEPS_METHOD and method not in ("GET", "HEAD"):
            method, body = "GET", None
    raise TriggerRefused(f"stopped after {_LIMIT} redirects from {request['url']}")


async def _next(url: str, target: str) -> str:
    """Where a redirect leads. The same host is as trusted as it was; another one must be public."""
    following = urljoin(url, target)
    here, there = urlsplit(url), urlsplit(following)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise TriggerRefused(f"redirect from {url} to {following} refused: not an http address")
    if here.netloc != there.netloc and not await _is_public(there.hostname):
        raise TriggerRefused(
            f"redirect from {url} to {following} refused: it leads to a private address"
        )
    return following


async def _is_public(host: str) -> bool:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(entry[4][0]).is_global for entry in found)
