"""A connection to an nsqd, by the protocol V2 of NSQ: subscribe to one channel, receive, finish."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, NoReturn

import orjson

from events.streams import MOST_BYTES, Inbox, ServerAway

_CONNECT_S = 5.0
_CLOSE_S = 1.0
_SILENT_S = 60.0  # it sends a heartbeat every 30 s unless told otherwise
_MOST_FRAME = 4 * MOST_BYTES
_RESPONSE, _ERROR, _MESSAGE = 0, 1, 2
_HARMLESS = (b"E_FIN_FAILED", b"E_REQ_FAILED", b"E_TOUCH_FAILED")


class Message(NamedTuple):
    """`id` is the same at every delivery of a message; `timestamp` is in nanoseconds, by the nsqd's clock."""

    id: str
    timestamp: int
    attempts: int
    body: bytes


class Nsqd:
    """One connection. `inbox` fills while `receive` runs; it holds no more than `in_flight` messages."""

    def __init__(self, address: str, in_flight: int) -> None:
        self.inbox = Inbox[Message](in_flight)
        self._address = address
        self._in_flight = in_flight
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    @asynccontextmanager
    async def connected(
        self, client_id: str, context: ssl.SSLContext | None
    ) -> AsyncIterator[None]:
        """Whatever is not finished when it ends is delivered again, to whoever is there. Raises ServerAway."""
        host, _, port = self._address.rpartition(":")
        try:
            async with asyncio.timeout(_CONNECT_S):
                self._reader, self._writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError) as error:
            raise self._away(str(error) or "no answer") from error
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._identify(client_id, context, host)
            yield
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise self._away(str(error) or type(error).__name__) from error
        finally:
            self._writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._writer.wait_closed()

    async def subscribe(self, topic: str, channel: str) -> None:
        """From now on the channel keeps what is sent. Raises ServerAway with what it has against it."""
        await self._send(f"SUB {topic} {channel}".encode())
        await self._answer()
        await self._send(b"RDY %d" % self._in_flight)

    async def receive(self) -> None:
        """Fill the inbox, and answer heartbeats, until the connection ends; the inbox then fails its reader.

        An inbox that stays full, of what came again meanwhile, leaves heartbeats unanswered: the nsqd then hangs up
        and keeps its messages.
        """
        try:
            while True:
                async with asyncio.timeout(_SILENT_S):
                    kind, data = await self._frame()
                if kind == _MESSAGE:
                    await self.inbox.put(_message(data))
                elif kind == _ERROR and not data.startswith(_HARMLESS):
                    self._refused(data)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            words = str(error) or f"silent for {_SILENT_S:.0f} s"
            self.inbox.close(self._away(words))
        except ServerAway as error:
            self.inbox.close(error)

    async def finish(self, message: Message) -> None:
        """Once it is durable. What was taken from us meanwhile comes again."""
        await self._send(f"FIN {message.id}".encode())

    async def _identify(self, client_id: str, context: ssl.SSLContext | None, host: str) -> None:
        """Raises ServerAway where TLS is wanted and not offered: nothing is then sent in the open."""
        self._writer.write(b"  V2")
        hello = {
            "client_id": client_id,
            "hostname": client_id,
            "user_agent": "bireme",
            "feature_negotiation": True,
            "tls_v1": context is not None,
        }
        body = orjson.dumps(hello)
        await self._send(b"IDENTIFY", len(body).to_bytes(4) + body)
        answer = await self._answer()
        if context is None:
            return
        if not answer.startswith(b"{") or not orjson.loads(answer).get("tls_v1"):
            raise self._away("tls is configured, and this nsqd does not offer it")
        await self._writer.start_tls(context, server_hostname=host)
        await self._answer()

    async def _answer(self) -> bytes:
        """The next response that is no heartbeat."""
        while True:
            kind, data = await self._frame()
            if kind == _ERROR:
                self._refused(data)
            if kind == _RESPONSE and data != b"_heartbeat_":
                return data

    async def _frame(self) -> tuple[int, bytes]:
        size = int.from_bytes(await self._reader.readexactly(4))
        if not 4 <= size <= _MOST_FRAME:
            raise self._away(
                f"a frame of {size} bytes: this is no nsqd, or the message is too large"
            )
        kind = int.from_bytes(await self._reader.readexactly(4))
        data = await self._reader.readexactly(size - 4)
        if kind == _RESPONSE and data == b"_heartbeat_":
            await self._send(b"NOP")
        return kind, data

    async def _send(self, command: bytes, body: bytes = b"") -> None:
        self._writer.write(command + b"\n" + body)
        await self._writer.drain()

    def _refused(self, data: bytes) -> NoReturn:
        raise self._away(data.decode("utf-8", "replace"))

    def _away(self, words: str) -> ServerAway:
        return ServerAway(f"nsqd {self._address}: {words}")


def _message(data: bytes) -> Message:
    return Message(
        id=data[10:26].decode("ascii", "replace"),
        timestamp=int.from_bytes(data[:8]),
        attempts=int.from_bytes(data[8:10]),
        body=data[26:],
    )
