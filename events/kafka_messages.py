"""What a Kafka message is as an event, and how far a partition has been made events. Pure.

For the source; nothing here talks to a broker.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from events import gotime, streams
from events.ports import NewEvent, Place, PoisonMessage

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord, TopicPartition


class Mark(NamedTuple):
    """Where a partition goes on, and how often it was rewound: a message read again on purpose is a new event."""

    offset: int
    generation: int = 0

    def encode(self) -> bytes:
        return f"{self.offset} {self.generation}".encode()

    @classmethod
    def decode(cls, fact: bytes) -> "Mark":
        offset, _, generation = fact.partition(b" ")
        return cls(int(offset), int(generation or 0))


@dataclass(slots=True)
class Batch:
    """What was read while we stood somewhere for the `stands`th time: events in order, and what can be none.

    `ends` has the offset behind the last message of each partition.
    """

    stands: int
    count: int = 0
    events: list[NewEvent] = field(default_factory=list)
    poison: list[PoisonMessage] = field(default_factory=list)
    ends: "dict[TopicPartition, int]" = field(default_factory=dict)


class Messages:
    """Makes the messages of one source events. `broker` is the first address, which is part of their ids. `body` makes
    the text of a body where it is neither JSON nor plain bytes; it raises Poison."""

    def __init__(
        self,
        place: Place,
        broker: str,
        json_body: bool,
        metadata: Mapping[str, str] | None,
        body: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._of = f"{place.name}:{place.subject}:{broker}"
        self._body = body or (lambda raw: streams.body_text(raw, json_body))
        self._nothing = b"null" if json_body else b'""'
        self._end = b',"metadata":' + orjson.dumps(metadata) + b"}" if metadata else b"}"
        self._plain_end = b"{}" + self._end

    def take(
        self,
        batch: Batch,
        partition: "TopicPartition",
        records: "Sequence[ConsumerRecord]",
        generation: int,
    ) -> None:
        """Add the messages of one partition, those that can be no event as poison."""
        before = f"{self._of}:{partition.topic}:{partition.partition}:"
        again = f":{generation}" if generation else ""
        begin, middle = _frame(partition)
        without_key = begin + b'""' + middle
        for record in records:
            try:
                body = self._body(record.value) if record.value else self._nothing
            except streams.Poison as error:
                where = place_of(partition, record.offset)
                batch.poison.append(PoisonMessage(str(error), where, error.raw))
                continue
            ahead = begin + _text(record.key) + middle if record.key else without_key
            end = _headers(record) + self._end if record.headers else self._plain_end
            data = b"".join((ahead, body, _moment(record.timestamp), end))
            batch.events.append(NewEvent(data, id=f"{before}{record.offset}{again}"))
        batch.count += len(records)
        batch.ends[partition] = records[-1].offset + 1


# The payload is put together from its members' texts: to build it and then encode it takes half as long again as
# all the rest of reading a message. What messages have in common is made once.


def _frame(partition: "TopicPartition") -> tuple[bytes, bytes]:
    """What stands before the key and before the body, in all messages of a partition."""
    topic = orjson.dumps(partition.topic)
    return b'{"topic":' + topic + b',"key":', b',"partition":%d,"body":' % partition.partition


def _text(key: bytes) -> bytes:
    return orjson.dumps(key.decode("utf-8", "replace"))


@lru_cache(maxsize=64)
def _moment(since_epoch_ms: int) -> bytes:
    """What stands between the body and the headers; messages come in the order of their times."""
    return b',"timestamp":"%b","headers":' % gotime.of_milliseconds(since_epoch_ms).encode()


def _headers(record: "ConsumerRecord") -> bytes:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    return orjson.dumps(headers)


def fact_of(partition: "TopicPartition") -> str:
    """The name of the fact that holds the partition's mark."""
    return f"{partition.topic}/{partition.partition}"


def place_of(partition: "TopicPartition", offset: int) -> dict[str, Any]:
    """A message's place, for logs and for whoever looks at poison."""
    return {"topic": partition.topic, "partition": partition.partition, "offset": offset}
