"""What sources of messages share: bodies, payloads, an inbox between a client and the log, faults."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import orjson

from bireme.kit.errors import MissingExtra, ServiceError
from events import fields
from events.patience import publish_until_durable
from events.ports import (
    EventsError,
    NewEvent,
    Place,
    PoisonMessage,
    Publish,
    Secrets,
    Surroundings,
)

T = TypeVar("T")
BATCH = 500
"""Messages published together: one commit."""
_SPACE, _NEWLINE, _TAB, _RETURN = b" \n\t\r"
MOST_BYTES = 16 << 20
"""A body larger than this makes no event, and is set aside."""


class ServerAway(EventsError, ServiceError):
    """The server does not answer, refuses us or hung up; it may be back later."""


class Auth(fields.Fields, frozen=True, kw_only=True):
    """Argo's BasicAuth: name and password by reference."""

    username: fields.SecretRef | None = None
    password: fields.SecretRef | None = None


def text(secrets: Secrets, place: Place, ref: fields.SecretRef | None) -> str | None:
    """The secret's value, None where nothing is referred to. Raises NotFound."""
    return None if ref is None else fields.secret(secrets, place, ref).decode()


def missing(extra: str, kind: str) -> MissingExtra:
    return MissingExtra(extra, f"event source {kind}")


class Poison(EventsError):
    """A message that can be no event; the words say why, and never what was in it, which is `raw`."""

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


def body(raw: bytes, json_body: bool) -> Any:
    """The message as payloads hold it: JSON as it was written but for blanks, else base64. Raises Poison."""
    return orjson.Fragment(body_text(raw, json_body))


def body_text(raw: bytes, json_body: bool) -> bytes:
    """The same, as it stands in the payload's text."""
    if len(raw) > MOST_BYTES:
        raise Poison(f"{len(raw)} bytes, at most {MOST_BYTES} make an event", raw)
    if not json_body:
        return b'"%b"' % base64.b64encode(raw)
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Poison(f"jsonBody is true, but this is no JSON: {error}", raw) from error
    return compact(raw)


def compact(text: bytes) -> bytes:
    """JSON without blanks between its parts, as upstream embeds it: a parameter that takes an object is its text.

    Of text that was read as JSON before; what is nested a thousand deep keeps its blanks, but for those around it.
    """
    # To look for numbers is several times as fast as to look for bytes, and as writing the text anew.
    if _SPACE in text or _NEWLINE in text or _TAB in text or _RETURN in text:
        try:
            return msgspec.json.format(text, indent=-1)
        except RecursionError:  # deeper than it can follow, and good JSON all the same
            return text.strip()
    return text


def event(
    payload: dict[str, Any], metadata: Mapping[str, str] | None, *, dedup: str = ""
) -> NewEvent:
    """The payload with the event's own metadata behind it. Raises Poison for what cannot stand in JSON."""
    if metadata:
        payload["metadata"] = metadata
    try:
        return NewEvent(data=orjson.dumps(payload), dedup=dedup)
    except orjson.JSONEncodeError as error:
        raise Poison(
            f"it cannot be JSON: {error}", repr(payload).encode("utf-8", "replace")
        ) from None


class Forwarder(Generic[T]):
    """Makes messages events and returns once they are durable. One that can be none is set aside, by its `where`."""

    def __init__(
        self,
        around: Surroundings,
        event_of: Callable[[T], NewEvent],
        where: Callable[[T], dict[str, Any]],
    ) -> None:
        self._around = around
        self._event_of = event_of
        self._where = where

    async def __call__(self, publish: Publish, messages: list[T]) -> list[T]:
        """Waits while the store is away. Gives back the messages that were poison."""
        events, poison = await self.made(messages)
        if events:
            await publish_until_durable(publish, events, self._around.clock)
        return poison

    async def made(self, messages: Iterable[T]) -> tuple[list[NewEvent], list[T]]:
        """The events, not published yet, and the messages that are none and have been set aside."""
        events: list[NewEvent] = []
        poison: list[T] = []
        aside: list[PoisonMessage] = []
        for message in messages:
            try:
                events.append(self._event_of(message))
            except Poison as error:
                poison.append(message)
                aside.append(PoisonMessage(str(error), self._where(message), error.raw))
        if aside:
            await self._around.set_aside(aside)
        return events, poison


class Inbox(Generic[T]):
    """Between a client's callbacks and who publishes. Full, it makes the client wait; closed, it fails its reader."""

    def __init__(self, most: int = BATCH) -> None:
        self._most = most
        self._items: deque[T] = deque()
        self._error: Exception | None = None
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, item: T) -> None:
        while len(self._items) >= self._most:
            self._room.clear()
            await self._room.wait()
        self.push(item)

    def push(self, item: T) -> None:
        """Without waiting, for clients that cannot."""
        self._items.append(item)
        self._filled.set()

    def close(self, error: Exception) -> None:
        """What is here is still read; then the reader gets the error. The first one counts."""
        self._error = self._error or error
        self._filled.set()

    async def batch(self, most: int = BATCH) -> list[T]:
        """What is here, in order, at least one. Raises what it was closed with."""
        while not self._items:
            if self._error is not None:
                raise self._error
            self._filled.clear()
            await self._filled.wait()
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self._room.set()
        return taken
