"""A fake of the door of Amazon's managed Kafka: TLS and SASL/OAUTHBEARER in this process, a real broker behind it.

Faithful in the protocol (SaslHandshake, SaslAuthenticate, and nothing before them but ApiVersions); what a token has to
be is said by the test.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable

_VERSIONS, _HANDSHAKE, _AUTHENTICATE = 18, 17, 36
_REFUSED = 58


class Front:
    """`tokens` has what was shown, in order."""

    def __init__(self, upstream: int, accepts: Callable[[str], bool]) -> None:
        self.upstream = upstream
        self.accepts = accepts
        self.tokens: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            is_in = False
            while True:
                frame = await _frame(reader)
                key, _, number = struct.unpack_from(">hhi", frame)
                if key == _HANDSHAKE:
                    answer = struct.pack(">ihih11s", number, 0, 1, 11, b"OAUTHBEARER")
                elif key == _AUTHENTICATE:
                    is_in = self._shown(frame)
                    answer = struct.pack(">ihhiq", number, 0 if is_in else _REFUSED, -1, 0, 0)
                elif is_in or key == _VERSIONS:
                    before.write(struct.pack(">i", len(frame)) + frame)
                    answer = await _frame(behind)
                    answer = _with_login(answer) if key == _VERSIONS else answer
                else:
                    return
                writer.write(struct.pack(">i", len(answer)) + answer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            before.close()
            writer.close()

    def _shown(self, frame: bytes) -> bool:
        token = frame.partition(b"auth=Bearer ")[2].partition(b"\x01")[0].decode()
        self.tokens.append(token)
        return self.accepts(token)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _with_login(answer: bytes) -> bytes:
    """The broker's versions, and the two calls that only its door knows."""
    number, error, count = struct.unpack_from(">ihi", answer)
    more = struct.pack(">hhhhhh", _HANDSHAKE, 0, 1, _AUTHENTICATE, 0, 1)
    end = 10 + 6 * count
    head = struct.pack(">ihi", number, error, count + 2)
    return head + answer[10:end] + more + answer[end:]


@contextlib.asynccontextmanager
async def running(front: Front, port: int, certificate: str, key: str) -> AsyncIterator[Front]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(front.serve, "127.0.0.1", port, ssl=context)
    try:
        yield front
    finally:
        server.close()
