"""Event bus `kafka`: one topic of a Kafka cluster.

    spec:
      kafka:
        url: broker-1:9092,broker-2:9092
        topic: bireme                      # <namespace>-<name> when left out

The topic has one partition, because the log has one order; it is made when it is missing. Places are offsets plus one.
A message that was taken twice is recognised when the log takes it in.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import structlog

from events import envelope, fields, kafka, sizes
from events.kafka_sending import ANSWER_S, Sending
from events.model import Event
from events.ports import Also, BadSourceConfig, BusAway, BusSurroundings, Place
from events.registry import buses
from events.tls import Tls

log = structlog.get_logger(__name__)

_COPIES = 3
_MOST_BYTES = 32 << 20
_LARGEST_BATCH = 16 << 10
_LARGER = "raise max.message.bytes of the topic, or have the source send a reference instead"


class Group(fields.Fields, frozen=True, kw_only=True):
    """Accepted and without effect: our place is in our own database."""

    group_name: str = ""
    oldest: bool = False
    rebalance_strategy: str = ""


@buses.register("kafka")
class KafkaBus:
    """One topic. Several events published at once are one transaction: all of them, or none."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        topic: str = ""
        version: str = ""
        tls: Tls | None = None
        sasl: kafka.Sasl | None = None
        consumer_group: Group | None = None
        partitioner: str = ""

    def __init__(self, config: Config, around: BusSurroundings) -> None:
        if not config.url:
            raise BadSourceConfig("url is missing: write the addresses of the brokers")
        kafka.check(config.sasl)
        self._config = config
        self._around = around
        self._topic = config.topic or f"{around.namespace}-{around.name}"
        self._has_topic = False
        self._most_bytes = _MOST_BYTES
        # The same for as long as this object lives: a new client ends what the one before it has left open.
        identity = f"{self._topic}-{around.ids.uid()}"
        self._single = Sending(partial(self._client_that_sends, enable_idempotence=True))
        self._batches = Sending(partial(self._client_that_sends, transactional_id=identity))
        self._transaction = asyncio.Lock()

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        now = self._around.clock.now()
        events = [msgspec.structs.replace(event, received_at=now) for event in events]
        if not events:
            return events
        with self._speaking(events):
            places = await (self._send_all(events) if len(events) > 1 else self._send(events))
        return [
            msgspec.structs.replace(event, seq=place.offset + 1)
            for event, place in zip(events, places, strict=True)
        ]

    async def _send(self, events: Sequence[Event]) -> list[Any]:
        await self._prepare(events)
        async with self._single.use() as client:
            return [await client.send_and_wait(self._topic, **_record(event)) for event in events]

    async def _send_all(self, events: Sequence[Event]) -> list[Any]:
        await self._prepare(events)
        async with self._transaction, self._batches.use() as client:
            try:
                await client.begin_transaction()
                sent = [await client.send(self._topic, **_record(event)) for event in events]
                places = list(await asyncio.gather(*sent))
                await client.commit_transaction()
            except asyncio.CancelledError:
                await self._batches.give_up()  # a transaction half done is nobody's to go on with
                raise
            return places

    async def _prepare(self, events: Sequence[Event]) -> None:
        await self._make_topic()
        sizes.check(events, _size, self._most_bytes, _LARGER)

    async def read(
        self, consumer: str, after: int, *, batch: int = 500
    ) -> AsyncIterator[Sequence[Event]]:
        """Batches in order. Ends with BusAway when the brokers are lost: what follows `after` can be read again."""
        from aiokafka import AIOKafkaConsumer, TopicPartition

        only = TopicPartition(self._topic, 0)
        reader = AIOKafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            request_timeout_ms=int(ANSWER_S * 1000),
            **self._client(),
        )
        try:
            with self._speaking():
                await self._make_topic()
                await reader.start()
                start = await self._start(reader, only, after)
                # At once one after the other: a partition without a place is given up by the library, for good.
                reader.assign([only])
                reader.seek(only, start)
            while True:
                with self._speaking():
                    found = await reader.getmany(only, timeout_ms=5000, max_records=batch)
                    if not found:
                        await kafka.ask(reader, [only])
                if events := envelope.read(map(_parts, found.get(only, ())), self._topic):
                    yield events
        finally:
            await kafka.hang_up(reader)

    async def _start(self, reader: Any, only: Any, after: int) -> int:
        """Where to begin. A topic that has lost what comes next, or was made anew, is read from its beginning."""
        oldest = (await reader.beginning_offsets([only]))[only]
        newest = (await reader.end_offsets([only]))[only]
        if oldest <= after <= newest:
            return after
        log.error("bus_has_lost_events", bus=self._topic, after=after, oldest=oldest, newest=newest)
        return int(oldest)

    async def close(self) -> None:
        await self._single.close()
        await self._batches.close()

    def _client_that_sends(self, **options: Any) -> Any:
        from aiokafka import AIOKafkaProducer

        return AIOKafkaProducer(
            acks="all",
            max_request_size=_MOST_BYTES,
            # What the client packs together is one message to the broker.
            max_batch_size=min(_LARGEST_BATCH, self._most_bytes),
            request_timeout_ms=int(ANSWER_S * 1000),
            transaction_timeout_ms=int(ANSWER_S * 1000),
            **self._client(),
            **options,
        )

    async def _make_topic(self) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic
        from aiokafka.errors import TopicAlreadyExistsError

        if self._has_topic:
            return
        admin = AIOKafkaAdminClient(request_timeout_ms=int(ANSWER_S * 1000), **self._client())
        try:
            await admin.start()
            (known,) = await admin.describe_topics([self._topic])
            count = len(known["partitions"])
            if not count:
                copies = min(len((await admin.describe_cluster())["brokers"]), _COPIES)
                answer = await admin.create_topics([NewTopic(self._topic, 1, copies)])
                codes = {one[1] for one in answer.topic_errors}
                if codes - {0, TopicAlreadyExistsError.errno}:
                    raise BusAway(f"the topic {self._topic} cannot be made: {answer}")
            elif count != 1:
                raise BadSourceConfig(
                    f"the topic {self._topic} has {count} partitions; expected one,"
                    " because the log has one order: name another topic"
                )
            self._most_bytes = await self._limit(admin)
            self._has_topic = True
        finally:
            await admin.close()

    async def _limit(self, admin: Any) -> int:
        """What the topic takes. A server that does not tell takes what our client sends, as far as we know."""
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

        names = ["max.message.bytes"]
        topic = ConfigResource(ConfigResourceType.TOPIC, self._topic, dict.fromkeys(names))
        (answer,) = await admin.describe_configs([topic])
        told = [int(entry[1]) for one in answer.resources for entry in one[4] if entry[0] in names]
        return min(_MOST_BYTES, *told) if told else self._most_bytes

    def _learn(self, refused: Sequence[Event]) -> None:
        """For a server that does not tell its limit: the largest of what it has refused is above it."""
        largest = max(map(_size, refused), default=0)
        if largest > _LARGEST_BATCH:  # smaller ones may have been too large together
            self._most_bytes = min(self._most_bytes, largest - 1)

    def _client(self) -> dict[str, Any]:
        around, config = self._around, self._config
        place = Place(around.namespace, around.name, "kafka", "")
        access = kafka.access(config.tls, config.sasl, around.secrets, place)
        return {"bootstrap_servers": kafka.addresses(config.url), **access}

    @contextmanager
    def _speaking(self, sent: Sequence[Event] = ()) -> Iterator[None]:
        """The client's complaints as ours; `sent` is what they are about."""
        from aiokafka.errors import KafkaError, MessageSizeTooLargeError

        try:
            yield
        except MessageSizeTooLargeError as error:
            self._has_topic = False  # its limit is another one now, and is asked for again
            self._learn(sent)
            raise BusAway(f"the Kafka brokers {self._config.url}: {error}") from error
        except (KafkaError, OSError, TimeoutError) as error:
            why = error or type(error).__name__
            raise BusAway(f"the Kafka brokers {self._config.url}: {why}") from error


def _record(event: Event) -> dict[str, Any]:
    headers = [(name, text.encode()) for name, text in envelope.headers(event).items()]
    key = f"{event.source}.{event.subject}".encode()
    return {"value": event.data, "key": key, "headers": headers, "partition": 0}


def _size(event: Event) -> int:
    """As the broker counts: a batch with this record alone."""
    from aiokafka.record.default_records import DefaultRecordBatchBuilder

    record = _record(event)
    estimate = DefaultRecordBatchBuilder.estimate_size_in_bytes
    return int(estimate(record["key"], record["value"], record["headers"]))


def _parts(record: Any) -> tuple[dict[str, str], bytes, int]:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    return headers, record.value or b"", record.offset + 1
