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
from typing import Any

import msgspec

from events import envelope, fields, kafka
from events.model import Event
from events.ports import Also, BadSourceConfig, BusAway, BusSurroundings, Place
from events.registry import buses
from events.tls import Tls

_ANSWER_S = 10.0
_COPIES = 3


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
        self._opening = asyncio.Lock()
        self._transaction = asyncio.Lock()
        self._single: Any = None
        self._batches: Any = None

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        now = self._around.clock.now()
        events = [msgspec.structs.replace(event, received_at=now) for event in events]
        if not events:
            return events
        with self._speaking():
            places = await (self._send_all(events) if len(events) > 1 else self._send(events))
        return [
            msgspec.structs.replace(event, seq=place.offset + 1)
            for event, place in zip(events, places, strict=True)
        ]

    async def _send(self, events: Sequence[Event]) -> list[Any]:
        producer = await self._producer()
        return [await producer.send_and_wait(self._topic, **_record(event)) for event in events]

    async def _send_all(self, events: Sequence[Event]) -> list[Any]:
        producer = await self._producer(batches=True)
        async with self._transaction, producer.transaction():
            sent = [await producer.send(self._topic, **_record(event)) for event in events]
            return list(await asyncio.gather(*sent))

    async def read(
        self, consumer: str, after: int, *, batch: int = 500
    ) -> AsyncIterator[Sequence[Event]]:
        """Batches in order. Ends with BusAway when the brokers are lost: what follows `after` can be read again."""
        from aiokafka import AIOKafkaConsumer, TopicPartition

        only = TopicPartition(self._topic, 0)
        reader = AIOKafkaConsumer(
            enable_auto_commit=False, isolation_level="read_committed", **self._client()
        )
        try:
            with self._speaking():
                await self._producer()  # makes the topic
                await reader.start()
                reader.assign([only])
                reader.seek(only, after)
            while True:
                with self._speaking():
                    found = await reader.getmany(only, timeout_ms=5000, max_records=batch)
                    if not found:
                        async with asyncio.timeout(_ANSWER_S):
                            await reader.end_offsets([only])
                if records := found.get(only):
                    yield [_event(record) for record in records]
        finally:
            await reader.stop()

    async def close(self) -> None:
        for producer in (self._single, self._batches):
            if producer is not None:
                await producer.stop()

    async def _producer(self, *, batches: bool = False) -> Any:
        if (ready := self._batches if batches else self._single) is not None:
            return ready
        async with self._opening:
            if self._single is None:
                await self._make_topic()
                self._single = await self._started(enable_idempotence=True)
            if batches and self._batches is None:
                identity = f"{self._topic}-{self._around.ids.uid()}"
                self._batches = await self._started(transactional_id=identity)
            return self._batches if batches else self._single

    async def _started(self, **options: Any) -> Any:
        from aiokafka import AIOKafkaProducer

        producer = AIOKafkaProducer(
            acks="all",
            max_request_size=32 << 20,
            request_timeout_ms=20_000,
            **self._client(),
            **options,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _make_topic(self) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic
        from aiokafka.errors import TopicAlreadyExistsError

        admin = AIOKafkaAdminClient(**self._client())
        await admin.start()
        try:
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
        finally:
            await admin.close()

    def _client(self) -> dict[str, Any]:
        around, config = self._around, self._config
        place = Place(around.namespace, around.name, "kafka", "")
        access = kafka.access(config.tls, config.sasl, around.secrets, place)
        return {"bootstrap_servers": kafka.addresses(config.url), **access}

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """The client's complaints as ours."""
        from aiokafka.errors import KafkaError

        try:
            yield
        except (KafkaError, OSError, TimeoutError) as error:
            why = error or type(error).__name__
            raise BusAway(f"the Kafka brokers {self._config.url}: {why}") from error


def _record(event: Event) -> dict[str, Any]:
    headers = [(name, text.encode()) for name, text in envelope.headers(event).items()]
    key = f"{event.source}.{event.subject}".encode()
    return {"value": event.data, "key": key, "headers": headers, "partition": 0}


def _event(record: Any) -> Event:
    headers = {name: value.decode() for name, value in record.headers}
    return envelope.event_of(headers, record.value or b"", record.offset + 1)
