"""A fake of Apache Pulsar's broker: its binary protocol over TCP. The broker is far too large to fetch for tests.

Faithful in what a consumer meets: connecting (with a token, when one is set; by TLS, when it has a context), lookup,
subscriptions that outlive their consumers, permits, acknowledgement, redelivery of what was not acknowledged; and what
a producer meets, a receipt for each message. Messages come one by one, uncompressed.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.servers import process

_CONNECT, _CONNECTED, _SUBSCRIBE, _MESSAGE, _ACK, _FLOW = 2, 3, 4, 9, 10, 11
_SUCCESS, _ERROR, _CLOSE_CONSUMER, _PING, _PONG, _REDELIVER = 13, 14, 16, 18, 19, 20
_METADATA, _METADATA_ANSWER, _LOOKUP, _LOOKUP_ANSWER, _ACK_ANSWER = 21, 22, 23, 24, 38
_PRODUCER, _SEND, _RECEIPT, _CLOSE_PRODUCER, _PRODUCING = 5, 6, 7, 15, 17
_UNAUTHENTICATED, _NO_TOPIC, _BUSY = 3, 11, 5
PUBLISHED_MS = 1795701600123  # 2026-11-26 14:00:00.123 UTC


class Subscription:
    """What one name has still to get, and what its consumer has in hand."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.in_hand: dict[int, Consumer] = {}
        self.acknowledged: list[int] = []


class Consumer:
    """One consumer of one connection."""

    def __init__(self, id: int, topic: str, subscription: Subscription, peer: "Peer") -> None:
        self.id = id
        self.topic = topic
        self.subscription = subscription
        self.peer = peer
        self.permits = 0

    def deliver(self, topic: list[tuple[bytes, str]]) -> None:
        while self.permits and self.subscription.waiting:
            entry = self.subscription.waiting.pop(0)
            self.subscription.in_hand[entry] = self
            self.permits -= 1
            body, key = topic[entry]
            command = _command(_MESSAGE, {1: self.id, 2: {1: 7, 2: entry}, 3: 0})
            metadata = _encoded(
                {1: b"fake", 2: entry, 3: PUBLISHED_MS, **({6: key.encode()} if key else {})}
            )
            self.peer.send(command, len(metadata).to_bytes(4) + metadata + body)

    def give_back(self) -> None:
        mine = [entry for entry, one in self.subscription.in_hand.items() if one is self]
        for entry in mine:
            del self.subscription.in_hand[entry]
        self.subscription.waiting[:0] = mine


class Pulsar:
    """Topics by full name; the first is there. With `token` set, nobody else gets in. `logins` are (method, data) of
    those who came, `produced` is (topic, body, properties) of what they sent."""

    def __init__(self, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.logins: list[tuple[str, str]] = []
        self.produced: list[tuple[str, bytes, dict[str, str]]] = []
        self.port = process.free_port()
        self.token = token
        self.topics: dict[str, list[tuple[bytes, str]]] = {"persistent://public/default/orders": []}
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.peers: set[Peer] = set()

    @property
    def url(self) -> str:
        return f"pulsar{'+ssl' if self.tls else ''}://127.0.0.1:{self.port}"

    def send(self, body: bytes, key: str = "", topic: str = "orders") -> int:
        name = f"persistent://public/default/{topic}"
        kept = self.topics[name]
        kept.append((body, key))
        for (its, _), subscription in self.subscriptions.items():
            if its == name:
                subscription.waiting.append(len(kept) - 1)
        self.deliver()
        return len(kept) - 1

    def deliver(self) -> None:
        for peer in self.peers:
            for consumer in peer.consumers.values():
                consumer.deliver(self.topics[consumer.topic])

    def subscription(self, name: str, topic: str = "orders") -> Subscription:
        key = (f"persistent://public/default/{topic}", name)
        return self.subscriptions.setdefault(key, Subscription())

    def hang_up(self) -> None:
        for peer in self.peers:
            peer.writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(self, reader, writer)
        self.peers.add(peer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await peer.talk()
        finally:
            self.peers.discard(peer)
            for consumer in peer.consumers.values():
                consumer.give_back()
            writer.close()


class Peer:
    """One connection."""

    def __init__(
        self, broker: Pulsar, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.broker = broker
        self.reader = reader
        self.writer = writer
        self.consumers: dict[int, Consumer] = {}
        self.producers: dict[int, str] = {}

    async def talk(self) -> None:
        while True:
            size = int.from_bytes(await self.reader.readexactly(4))
            frame = await self.reader.readexactly(size)
            end = 4 + int.from_bytes(frame[:4])
            command = _decoded(frame[4:end])
            kind = command[1][0]
            self._handle(kind, _decoded(command[kind][0]), frame[end:])
            self.broker.deliver()

    def send(self, command: bytes, payload: bytes = b"") -> None:
        frame = len(command).to_bytes(4) + command + payload
        self.writer.write(len(frame).to_bytes(4) + frame)

    def _handle(self, kind: int, given: dict[int, list[Any]], payload: bytes) -> None:
        if kind == _CONNECT:
            self._connect(given)
        elif kind == _METADATA:
            self.send(_command(_METADATA_ANSWER, {1: 0, 2: given[2][0], 3: 0}))
        elif kind == _LOOKUP:
            place = 2 if self.broker.tls else 1
            answer = {place: self.broker.url.encode(), 3: 1, 4: given[2][0], 5: 1}
            self.send(_command(_LOOKUP_ANSWER, answer))
        elif kind == _SUBSCRIBE:
            self._subscribe(given)
        elif kind == _FLOW:
            self.consumers[given[1][0]].permits += given[2][0]
        elif kind == _ACK:
            self._acknowledge(given)
        elif kind == _REDELIVER:
            self.consumers[given[1][0]].give_back()
        elif kind == _CLOSE_CONSUMER:
            self.consumers.pop(given[1][0]).give_back()
            self.send(_command(_SUCCESS, {1: given[2][0]}))
        elif kind == _PING:
            self.send(_command(_PONG, {}))
        else:
            self._produce(kind, given, payload)

    def _produce(self, kind: int, given: dict[int, list[Any]], payload: bytes) -> None:
        if kind == _PRODUCER:
            self.producers[given[2][0]] = given[1][0].decode()
            answer = {1: given[3][0], 2: b"fake-1", 3: (1 << 64) - 1}
            self.send(_command(_PRODUCING, answer))
        elif kind == _SEND:
            # Behind a magic number and a checksum.
            end = 10 + int.from_bytes(payload[6:10])
            pairs = [_decoded(one) for one in _decoded(payload[10:end]).get(4, [])]
            properties = {one[1][0].decode(): one[2][0].decode() for one in pairs}
            self.broker.produced.append((self.producers[given[1][0]], payload[end:], properties))
            place = {1: 7, 2: len(self.broker.produced)}
            self.send(_command(_RECEIPT, {1: given[1][0], 2: given[2][0], 3: place}))
        elif kind == _CLOSE_PRODUCER:
            self.send(_command(_SUCCESS, {1: given[2][0]}))

    def _connect(self, given: dict[int, list[Any]]) -> None:
        method, data = (given.get(field, [b""])[0].decode() for field in (5, 3))
        self.broker.logins.append((method, data))
        if self.broker.token and data != self.broker.token:
            self.send(_command(_ERROR, {1: 0, 2: _UNAUTHENTICATED, 3: b"Failed to authenticate"}))
            self.writer.close()
        else:
            self.send(_command(_CONNECTED, {1: b"fake", 2: 19, 3: 5 << 20}))

    def _subscribe(self, given: dict[int, list[Any]]) -> None:
        topic, name, exclusive = given[1][0].decode(), given[2][0].decode(), given[3][0] == 0
        request = given[5][0]
        if topic not in self.broker.topics:
            self.send(_command(_ERROR, {1: request, 2: _NO_TOPIC, 3: b"Topic not found"}))
            return
        subscription = self.broker.subscription(name, topic.rpartition("/")[2])
        everyone = [one for peer in self.broker.peers for one in peer.consumers.values()]
        if exclusive and any(one.subscription is subscription for one in everyone):
            self.send(_command(_ERROR, {1: request, 2: _BUSY, 3: b"Exclusive consumer is there"}))
            return
        self.consumers[given[4][0]] = Consumer(given[4][0], topic, subscription, self)
        self.send(_command(_SUCCESS, {1: request}))

    def _acknowledge(self, given: dict[int, list[Any]]) -> None:
        subscription = self.consumers[given[1][0]].subscription
        for one in given[3]:
            entry = _decoded(one).get(2, [0])[0]
            if subscription.in_hand.pop(entry, None) is not None:
                subscription.acknowledged.append(entry)
        if 8 in given:
            self.send(_command(_ACK_ANSWER, {1: given[1][0], 6: given[8][0]}))


@contextlib.asynccontextmanager
async def running(broker: Pulsar) -> AsyncIterator[Pulsar]:
    server = await asyncio.start_server(broker.serve, "127.0.0.1", broker.port, ssl=broker.tls)
    try:
        yield broker
    finally:
        server.close()
        broker.hang_up()
        await server.wait_closed()


def _command(kind: int, fields: dict[int, Any]) -> bytes:
    return _encoded({1: kind, kind: fields})


def _encoded(fields: dict[int, Any]) -> bytes:
    """A protobuf message of numbers, bytes and messages."""
    parts = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            parts += _varint(number << 3) + _varint(value)
        else:
            inner = _encoded(value) if isinstance(value, dict) else value
            parts += _varint(number << 3 | 2) + _varint(len(inner)) + inner
    return bytes(parts)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _decoded(data: bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    rest = iter(data)
    for head in rest:
        tag = _number(head, rest)
        value: Any = _number(next(rest), rest)
        if tag & 7 == 2:
            value = bytes(next(rest) for _ in range(value))
        found.setdefault(tag >> 3, []).append(value)
    return found


def _number(head: int, rest: Iterator[int]) -> int:
    value, shift = head & 0x7F, 7
    while head & 0x80:
        head = next(rest)
        value |= (head & 0x7F) << shift
        shift += 7
    return value
