"""MinIO's listen API: one endless answer, a notification a line, blanks in between to show that it lives."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import aiohttp
import yarl

from bireme.kit.errors import ServiceError
from events import fields, sigv4
from events.buckets import objects
from events.buckets.objects import Change, NotANotification, Wanted
from events.ports import BadSourceConfig, EventsError, PoisonMessage, Surroundings

# MinIO writes a blank every few seconds; silence for this long is a dead connection.
_SILENCE_S = 60.0
_CONNECT_S = 10.0
_LONGEST_LINE = 16 * 1024 * 1024
_PING_S = 10


class ListenFailed(EventsError, ServiceError):
    """The stream cannot be had, or broke off."""

    retriable = True
    blame = "service"


class Listening:
    """Where to listen, for what and as whom. Keys are read anew for every stream."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        keys: tuple[fields.SecretRef, fields.SecretRef],
        wanted: Wanted,
        surroundings: Surroundings,
        authority: fields.SecretRef | None = None,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._region = region or "us-east-1"
        self._keys = keys
        self._wanted = wanted
        self._around = surroundings
        self._authority = authority

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[list[Change]]]:
        """Changes as they happen, from now on. Raises ListenFailed when the stream breaks or grows silent."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        url, headers = self._request()
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
                session.get(url, headers=headers, ssl=self._trusted() or True) as answer,
            ):
                if answer.status != 200:
                    raise ListenFailed(await self._refusal(answer))
                yield self._told(answer.content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            words = str(error) or type(error).__name__
            raise ListenFailed(f"cannot listen at {self._endpoint}: {words}") from error

    def _request(self) -> tuple[yarl.URL, dict[str, str]]:
        pairs = [("prefix", self._wanted.prefix), ("suffix", self._wanted.suffix)]
        pairs += [("events", name) for name in self._wanted.events]
        query = sigv4.query([*pairs, ("ping", str(_PING_S))])
        path = "/" + quote(self._wanted.bucket, safe="-_.~")
        access_key, secret_key = (self._secret(ref).decode() for ref in self._keys)
        headers = sigv4.headers(
            host=urlsplit(self._endpoint).netloc,
            path=path,
            query=query,
            region=self._region,
            access_key=access_key,
            secret_key=secret_key,
            now=self._around.clock.now(),
        )
        return yarl.URL(f"{self._endpoint}{path}?{query}", encoded=True), headers

    def _trusted(self) -> ssl.SSLContext | None:
        return None if self._authority is None else _context(self._secret(self._authority))

    def _secret(self, ref: fields.SecretRef) -> bytes:
        return fields.secret(self._around.secrets, self._around.place, ref)

    async def _refusal(self, answer: aiohttp.ClientResponse) -> str:
        words = (await answer.content.read(500)).decode("utf-8", "replace")
        advice = "check accessKey and secretKey, " if answer.status in (401, 403) else ""
        return f"{self._endpoint} does not let us listen to {self._wanted.bucket!r}: {advice}{answer.status} {words}"

    async def _told(self, content: aiohttp.StreamReader) -> AsyncIterator[list[Change]]:
        rest = b""
        async for chunk in content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise ListenFailed(
                    f"{self._endpoint} sends a line longer than {_LONGEST_LINE} bytes"
                )
            for line in lines:
                if found := await self._changes(line):
                    yield found
        raise ListenFailed(f"{self._endpoint} ended the stream")

    async def _changes(self, line: bytes) -> list[Change]:
        if not line.strip():
            return []
        try:
            return objects.changes(line)
        except NotANotification as error:
            where = {"bucket": self._wanted.bucket}
            await self._around.set_aside([PoisonMessage(str(error), where, line)])
            return []


def _context(authority: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=authority.decode())
    except (ssl.SSLError, ValueError) as error:
        raise BadSourceConfig(f"caCertificate is no PEM certificate: {error}") from error
    return context
