"""A fake of Azure Service Bus and Event Hubs: AMQP 1.0 over TCP, as Microsoft's emulator speaks it, which comes as a
container only.

Faithful in the protocol (its frames are made and read by the client library's own codec), in the tokens that open an
entity, in settlement (a message is gone once accepted, dead-lettered once rejected, back when the link ends), and in
what is told of a hub and its partitions. Frames are never split; sessions and lock renewal are not there.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from azure.servicebus._pyamqp import outcomes, performatives
from azure.servicebus._pyamqp._decode import decode_frame, decode_payload
from azure.servicebus._pyamqp._encode import encode_frame, encode_payload
from azure.servicebus._pyamqp.endpoints import Source, Target
from azure.servicebus._pyamqp.error import AMQPError
from azure.servicebus._pyamqp.message import Message, Properties
from azure.servicebus._pyamqp.types import TYPE, VALUE, AMQPTypes

from tests.servers import process
from tests.servers.waiting import until

POLICY, KEY = "reader", "a-key-of-the-namespace"
ENQUEUED_MS = 1795701600123  # 2026-11-26 14:00:00.123 UTC
_SASL, _AMQP = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"
_OPEN, _BEGIN, _ATTACH, _FLOW, _TRANSFER, _DISPOSITION, _DETACH, _END, _CLOSE = range(16, 25)
_WINDOW = 1 << 20


@dataclass
class Link:
    """One link, seen from here: `credit` is what we may still send on it."""

    channel: int
    handle: int
    address: str
    is_reader: bool
    after: int = -1
    credit: int = 0
    delivered: int = 0
    sent: dict[int, Any] = field(default_factory=dict)


class AzureBus:
    """Queues by address, and one hub, `orders`, of two partitions. A message of a hub is at the place of its offset."""

    def __init__(self) -> None:
        self.port = process.free_port()
        self.token_of_machine = ""
        self.queues: dict[str, list[Message]] = {"orders": [], "shop/Subscriptions/ship": []}
        self.partitions: dict[str, list[Message]] = {"0": [], "1": []}
        self.completed: list[Message] = []
        self.dead: list[tuple[Message, str]] = []
        self.peers: set[Peer] = set()
        self.numbers = itertools.count(1)

    @property
    def connection(self) -> str:
        """As the emulator's is written: without TLS."""
        return (
            f"Endpoint=sb://127.0.0.1:{self.port};SharedAccessKeyName={POLICY};"
            f"SharedAccessKey={KEY};UseDevelopmentEmulator=true"
        )

    async def send(self, address: str, body: bytes, **properties: Any) -> Message:
        """Into a queue."""
        number = next(self.numbers)
        message = Message(
            properties=Properties(**properties),
            message_annotations={
                b"x-opt-sequence-number": number,
                b"x-opt-enqueued-time": _long(ENQUEUED_MS),
            },
            application_properties={"team": "shop", "n": 2},
            data=[body],
        )
        self.queues[address].append(message)
        await self._offer()
        return message

    async def append(self, partition: str, body: bytes, key: str = "", **properties: Any) -> None:
        """To a partition of the hub."""
        kept = self.partitions[partition]
        annotations: dict[Any, Any] = {
            b"x-opt-sequence-number": len(kept),
            b"x-opt-offset": str(len(kept)),
            b"x-opt-enqueued-time": _long(ENQUEUED_MS),
        }
        if key:
            annotations[b"x-opt-partition-key"] = key
        kept.append(
            Message(
                properties=Properties(**properties), message_annotations=annotations, data=[body]
            )
        )
        await self._offer()

    async def _offer(self) -> None:
        for peer in self.peers:
            await peer.deliver()

    async def hang_up(self) -> None:
        for peer in list(self.peers):
            peer.writer.close()
        await until(lambda: not self.peers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(self, reader, writer)
        self.peers.add(peer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await peer.talk()
        finally:
            self.peers.discard(peer)
            peer.give_back()
            writer.close()

    def is_known(self, address: str) -> bool:
        hub, _, partition = address.partition("/ConsumerGroups/$Default/Partitions/")
        if partition:
            return hub == "orders" and partition in self.partitions
        return address in self.queues or address in ("$cbs", "orders/$management", "$management")

    def answer(self, address: str, request: Message) -> Message:
        """To a request for a token or for what is known of the hub."""
        asked = {_text(k): v for k, v in request.application_properties.items()}
        if address == "$cbs":
            status = 202 if self._lets_in(_text(request.value)) else 401
            value: Any = None
        else:
            status, value = 200, self._told(asked)
        if asked.get("name") == b"nowhere":
            status = 404
        return Message(
            properties=Properties(correlation_id=request.properties.message_id),
            application_properties={"status-code": status, "status-description": "as it is"},
            value=value,
        )

    def _lets_in(self, token: str) -> bool:
        return token == self.token_of_machine or _opens(token)

    def _told(self, asked: dict[str, Any]) -> dict[str, Any]:
        if _text(asked["type"]) == "com.microsoft:eventhub":
            return {"name": "orders", "created_at": 1, "partition_ids": list(self.partitions)}
        partition = _text(asked["partition"])
        newest = len(self.partitions[partition]) - 1
        return {
            "name": "orders",
            "partition": partition,
            "begin_sequence_number": 0,
            "last_enqueued_sequence_number": newest,
            "last_enqueued_offset": str(newest),
            "last_enqueued_time_utc": _long(ENQUEUED_MS),
            "is_partition_empty": newest < 0,
        }


class Peer:
    """One connection."""

    def __init__(
        self, bus: AzureBus, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.bus = bus
        self.reader = reader
        self.writer = writer
        self.links: dict[tuple[int, int], Link] = {}
        self.deliveries = itertools.count()

    async def talk(self) -> None:
        if await self.reader.readexactly(8) == _SASL:
            self.writer.write(_SASL)
            self._send(0, performatives.SASLMechanism([b"ANONYMOUS", b"MSSBCBS"]), b"\x01")
            await self._frame()
            self._send(0, performatives.SASLOutcome(0, None), b"\x01")
            await self.reader.readexactly(8)
        self.writer.write(_AMQP)
        while True:
            channel, kind, fields = await self._frame()
            if kind == _CLOSE:
                self._send(channel, performatives.CloseFrame(None))
                return
            self._handle(channel, kind, fields)
            await self.deliver()

    async def _frame(self) -> tuple[int, int, list[Any]]:
        head = await self.reader.readexactly(8)
        body = await self.reader.readexactly(int.from_bytes(head[:4]) - 8)
        if not body:
            return 0, -1, []
        kind, fields = decode_frame(memoryview(body))
        return int.from_bytes(head[6:8]), kind, fields

    def _send(self, channel: int, frame: Any, kind: bytes = b"\x00") -> None:
        head, body = encode_frame(frame, kind)
        self.writer.write(head + channel.to_bytes(2) + bytes(body or b""))

    def _handle(self, channel: int, kind: int, fields: list[Any]) -> None:
        if kind == _OPEN:
            opened = {"container_id": "fake", "max_frame_size": 65536, "channel_max": 255}
            self._send(channel, _made(performatives.OpenFrame, **opened))
        elif kind == _BEGIN:
            begun = {"next_outgoing_id": 1, "incoming_window": _WINDOW, "outgoing_window": _WINDOW}
            frame = _made(performatives.BeginFrame, remote_channel=channel, handle_max=255, **begun)
            self._send(channel, frame)
        elif kind == _ATTACH:
            self._attach(channel, fields)
        elif kind == _FLOW and (channel, fields[4]) in self.links:
            self._flow(self.links[channel, fields[4]], fields)
        elif kind == _TRANSFER:
            self._request(channel, fields)
        elif kind == _DISPOSITION:
            self._settle(channel, fields)
        elif kind == _DETACH:
            self._give_back(self.links.pop((channel, fields[0]), None))
            self._send(channel, performatives.DetachFrame(fields[0], True, None))
        elif kind == _END:
            self._send(channel, performatives.EndFrame(None))

    def _attach(self, channel: int, fields: list[Any]) -> None:
        name, handle, is_reader = fields[0], fields[1], bool(fields[2])
        terminus = fields[5] if is_reader else fields[6]
        address = urlsplit(_text(terminus[0])).path.strip("/")
        link = Link(channel, handle, address, is_reader)
        if is_reader and terminus[7]:
            (selector,) = terminus[7].values()
            link.after = _after(_text(selector))
        answer = _made(
            performatives.AttachFrame,
            name=_text(name), handle=handle, role=not is_reader, send_settle_mode=fields[3],
            rcv_settle_mode=fields[4], source=Source(address=address), target=Target(address=address),
            initial_delivery_count=0 if is_reader else None, max_message_size=1 << 20,
        )  # fmt: skip
        self._send(channel, answer)
        if not self.bus.is_known(address):
            error = AMQPError(b"amqp:not-found", f"no entity {address}", None)
            self._send(channel, performatives.DetachFrame(handle, True, error))
            return
        self.links[channel, handle] = link
        if not is_reader:
            self._send(channel, _flow(handle, 0, 100))

    def _flow(self, link: Link, fields: list[Any]) -> None:
        link.credit = fields[6] or 0
        if fields[8]:  # drain: what is there comes, and then nothing until the next flow
            self._deliver(link)
            link.delivered += link.credit
            link.credit = 0
            self._send(link.channel, _flow(link.handle, link.delivered, 0, drain=True))

    def _request(self, channel: int, fields: list[Any]) -> None:
        link = self.links[channel, fields[0]]
        accepted = performatives.DispositionFrame(
            True, fields[1], fields[1], True, outcomes.Accepted(), False
        )
        self._send(channel, accepted)
        answer = self.bus.answer(link.address, decode_payload(memoryview(bytes(fields[11]))))
        reply = next(
            other
            for other in self.links.values()
            if other.is_reader and other.channel == channel and other.address == link.address
        )
        self._transfer(reply, answer)

    def _settle(self, channel: int, fields: list[Any]) -> None:
        first, last, settled, state = fields[1], fields[2], fields[3], fields[4]
        for number in range(first, (first if last is None else last) + 1):
            for link in self.links.values():
                if link.channel == channel and number in link.sent:
                    self._settled(link.sent.pop(number), state)
        if not settled:
            answer = performatives.DispositionFrame(
                False, first, last, True, _outcome(state), False
            )
            self._send(channel, answer)

    def _settled(self, message: Message, state: dict[str, Any]) -> None:
        if "accepted" in state:
            self.bus.completed.append(message)
        elif "rejected" in state:
            self.bus.dead.append((message, repr(state)))
        else:
            raise AssertionError(f"not expected of a source: {state}")

    async def deliver(self) -> None:
        """What is there, as far as credit goes."""
        for link in list(self.links.values()):
            if link.is_reader:
                self._deliver(link)
        with contextlib.suppress(OSError):
            await self.writer.drain()

    def _deliver(self, link: Link) -> None:
        partition = link.address.partition("/ConsumerGroups/$Default/Partitions/")[2]
        while link.credit > 0:
            if partition:
                link.after += 1
                if link.after >= len(self.bus.partitions[partition]):
                    link.after -= 1
                    return
                self._transfer(link, self.bus.partitions[partition][link.after])
            else:
                waiting = self.bus.queues.get(link.address)
                if not waiting:
                    return
                self._transfer(link, waiting.pop(0))
            link.credit -= 1
            link.delivered += 1

    def _transfer(self, link: Link, message: Message) -> int:
        number = next(self.deliveries)
        frame = performatives.TransferFrame(
            link.handle, number, uuid.uuid4().bytes, 0, False, False, None, None, False, False, False,
            bytes(encode_payload(bytearray(), message)),
        )  # fmt: skip
        if link.address in self.bus.queues:
            link.sent[number] = message
        self._send(link.channel, frame)
        return number

    def give_back(self) -> None:
        for link in self.links.values():
            self._give_back(link)

    def _give_back(self, link: Link | None) -> None:
        if link is not None and link.sent:
            self.bus.queues[link.address][:0] = link.sent.values()
            link.sent.clear()


@contextlib.asynccontextmanager
async def running(bus: AzureBus) -> AsyncIterator[AzureBus]:
    server = await asyncio.start_server(bus.serve, "127.0.0.1", bus.port)
    try:
        yield bus
    finally:
        server.close()
        await bus.hang_up()
        await server.wait_closed()


def _opens(token: str) -> bool:
    parts = {k: v[0] for k, v in parse_qs(token.removeprefix("SharedAccessSignature ")).items()}
    if "sr" not in parts:
        return False
    signed = f"{quote(parts['sr'], safe='')}\n{parts['se']}"
    digest = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    return parts["skn"] == POLICY and parts["sig"] == base64.b64encode(digest).decode()


def _after(selector: str) -> int:
    """The offset in `amqp.annotation.x-opt-offset > '3'`; `@latest` is not used by us."""
    return int(selector.rpartition("> ")[2].strip("'"))


def _outcome(state: dict[str, Any]) -> Any:
    return outcomes.Accepted() if "accepted" in state else outcomes.Rejected(error=None)


def _flow(handle: int, delivered: int, credit: int, drain: bool = False) -> Any:
    windows = {"next_incoming_id": 1, "incoming_window": _WINDOW, "next_outgoing_id": 1}
    return _made(
        performatives.FlowFrame, **windows, outgoing_window=_WINDOW, handle=handle,
        delivery_count=delivered, link_credit=credit, drain=drain,
    )  # fmt: skip


def _long(value: int) -> Any:
    return {TYPE: AMQPTypes.long, VALUE: value}


def _made(kind: Any, **fields: Any) -> Any:
    """A frame with the fields that are not given left out."""
    return kind(**{name: fields.get(name) for name in kind._fields})


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
