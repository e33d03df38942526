"""A small client of somebody's JSON API, for sources that register themselves there. Answers are capped and timed."""

import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from bireme.kit.errors import ServiceError
from events.ports import EventsError

_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_MOST_BYTES = 16 * 1024 * 1024
_MOST_PAGES = 1000


class ApiError(EventsError, ServiceError):
    """The API did not do what was asked. `status` is its answer, 0 when there was none; `words` what it said."""

    retriable = True
    blame = "service"

    def __init__(self, message: str, status: int = 0, words: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.words = words


class Api:
    """Calls below `base`. Redirects are not followed: credentials stay where they were meant for. `guard` is what a
    server puts in front of its JSON."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        headers: Mapping[str, str] | None = None,
        *,
        verify: bool | ssl.SSLContext = True,
        guard: bytes = b"",
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._session = session
        self._base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._verify = verify
        self._guard = guard
        self._most_bytes = most_bytes

    def with_headers(self, headers: Mapping[str, str]) -> "Api":
        """The same API with more headers on every call."""
        more = {**self._headers, **headers}
        return Api(
            self._session,
            self._base,
            more,
            verify=self._verify,
            guard=self._guard,
            most_bytes=self._most_bytes,
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer's JSON, None for an empty one. Raises ApiError for every status from 300 on."""
        answer, text = await self._send(method, path, body, form, query, headers)
        text = text.removeprefix(self._guard).strip()
        if not text:
            return None
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ApiError(
                f"{method} {self._base}{path}: the answer is not JSON: {error}", answer.status
            ) from error

    async def _send(
        self,
        method: str,
        path: str,
        body: Any,
        form: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        place = f"{method} {self._base}{path}"
        try:
            async with self._session.request(
                method,
                self._base + path,
                json=body,
                data=form,
                params=query,
                headers={**self._headers, **(headers or {})},
                allow_redirects=False,
                timeout=_TIMEOUT,
                ssl=self._verify,
            ) as answer:
                text = await whole(answer, self._most_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(f"{place}: {str(error) or type(error).__name__}") from error
        if len(text) > self._most_bytes:
            raise ApiError(f"{place}: the answer is larger than {self._most_bytes} bytes")
        if answer.status >= 300:
            words = text[:300].decode("utf-8", "replace").strip()
            raise ApiError(_refusal(place, answer.status, words), answer.status, words)
        return answer, text

    async def numbered_pages(self, path: str, size: int = 100) -> AsyncIterator[Any]:
        """The entries of a list that is cut into pages by `page` and `per_page`."""
        for number in range(1, _MOST_PAGES):
            query = {"per_page": str(size), "page": str(number)}
            entries = await self.call("GET", path, query=query) or []
            for entry in entries:
                yield entry
            if len(entries) < size:
                return


def basic(user: str, password: str) -> str:
    """The value of a basic Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def whole(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """All of the answer, or a little more than `most` of it. One read gives only what has come so far."""
    text = bytearray()
    async for part in answer.content.iter_any():
        text += part
        if len(text) > most:
            break
    return bytes(text)


def _refusal(place: str, status: int, words: str) -> str:
    advice = {
        401: "the credentials are not accepted: ",
        403: "the credentials are not allowed to do this: ",
        404: "there is no such thing, or the credentials may not see it: ",
    }.get(status, "")
    return f"{place}: {advice}{status} {words}"


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections for one source's calls."""
    async with aiohttp.ClientSession(
        json_serialize=lambda value: orjson.dumps(value).decode(),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as opened:
        yield opened
