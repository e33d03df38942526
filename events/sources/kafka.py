"""Event source `kafka`: messages of a topic, each of them one event, across crashes and rebalances.

    spec:
      kafka:
        orders:
          url: broker-1:9092,broker-2:9092
          topic: orders
          consumerGroup: {groupName: ship, oldest: true}   # or `partition: "0"` without a group
          jsonBody: true
          sasl:
            mechanism: SCRAM-SHA-512
            userSecret: {name: kafka, key: user}
            passwordSecret: {name: kafka, key: password}

Payload: `{"topic": …, "key": …, "partition": 0, "body": …, "timestamp": …, "headers": {…}, "metadata": {…}}`.

How far a partition has been read is kept in our own database, in the commit of the events themselves; the group is
told too, for those who look at its lag. A source without a group goes on where it was, which upstream does not.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.errors import ServiceError
from events import fields, gotime, kafka, streams, tls
from events.ports import BadSourceConfig, NewEvent, PoisonMessage, Publish, Surroundings
from events.registry import sources
from events.rewind import REWIND, Rewind
from events.tls import Tls

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

log = structlog.get_logger(__name__)

_BATCH = 500
_POLL_MS = 1000
_QUIET_POLLS = 10
_ANSWER_S = 10.0
_TELL_GROUP_S = 1.0
_PAUSE = Backoff(base_s=0.1, factor=2, cap_s=5)


class Group(fields.Fields, frozen=True, kw_only=True):
    """`oldest` counts only while neither we nor the group have been there."""

    group_name: str = ""
    oldest: bool = False
    rebalance_strategy: str = ""


class _Mark(NamedTuple):
    """Where a partition goes on, and how often it was rewound: a message read again on purpose is a new event."""

    offset: int
    generation: int = 0

    def encode(self) -> bytes:
        return f"{self.offset} {self.generation}".encode()

    @classmethod
    def decode(cls, fact: bytes) -> "_Mark":
        offset, _, generation = fact.partition(b" ")
        return cls(int(offset), int(generation or 0))


@sources.register("kafka")
class KafkaSource:
    """A message ahead of which nothing is missing, once each. One that is too large or not the JSON it should be is
    told in the log, by partition and offset, and passed over."""

    can_rewind = True

    class Config(fields.Fields, frozen=True, kw_only=True):
        url: str = ""
        topic: str = ""
        partition: str | int = ""
        version: str = ""
        consumer_group: Group | None = None
        limit_events_per_second: int = 0
        json_body: bool = False
        connection_backoff: dict[str, Any] | None = None
        tls: Tls | None = None
        sasl: kafka.Sasl | None = None
        config: str = ""
        schema_registry: dict[str, Any] | None = None
        aws_msk_iam_auth: dict[str, Any] | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check(config)
        self._config = config
        self._around = surroundings
        self._marks: dict[TopicPartition, _Mark] = {}
        self._told: dict[TopicPartition, int] = {}
        self._tell_at = 0.0
        self._moving = asyncio.Lock()
        self._stands = 0

    async def run(self, publish: Publish) -> None:
        self._marks, self._told = {}, {}
        async with self._consumer() as consumer:
            await self._join(consumer)
            await self._work(consumer, publish)

    @asynccontextmanager
    async def _consumer(self) -> "AsyncIterator[AIOKafkaConsumer]":
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaError

        config = self._config
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.addresses(config.url),
            client_id=f"bireme-{self._around.place.name}",
            enable_auto_commit=False,
            auto_offset_reset="latest",  # until we have said where we stand
            max_partition_fetch_bytes=1 << 20,
            isolation_level="read_committed",
            **self._group(),
            **kafka.access(config.tls, config.sasl, self._around.secrets, self._around.place),
        )
        try:
            await consumer.start()
            yield consumer
        except KafkaError as error:
            raise kafka.KafkaAway(f"{config.url}: {await self._why(error)}") from error
        finally:
            with suppress(KafkaError):
                await consumer.stop()

    async def _why(self, error: Exception) -> str:
        """The library keeps to itself why it could not connect: ask the first broker ourselves."""
        from aiokafka.conn import create_conn
        from aiokafka.errors import KafkaConnectionError, KafkaError

        config, around = self._config, self._around
        if not isinstance(error, KafkaConnectionError) or not (config.tls or config.sasl):
            return tls.told(error)
        host, _, port = kafka.addresses(config.url)[0].rpartition(":")
        access = kafka.access(config.tls, config.sasl, around.secrets, around.place)
        try:
            (await create_conn(host, int(port), request_timeout_ms=5000, **access)).close()
        except (KafkaError, OSError, TimeoutError, ValueError) as reason:
            return tls.told(reason)
        return tls.told(error)

    def _group(self) -> dict[str, Any]:
        group = self._config.consumer_group
        if group is None:
            return {}
        from aiokafka.coordinator.assignors.range import RangePartitionAssignor
        from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
        from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

        strategies = {
            "roundrobin": RoundRobinPartitionAssignor,
            "sticky": StickyPartitionAssignor,
        }
        strategy = strategies.get(group.rebalance_strategy, RangePartitionAssignor)
        return {"group_id": group.group_name, "partition_assignment_strategy": [strategy]}

    async def _join(self, consumer: "AIOKafkaConsumer") -> None:
        """Be given partitions, or take the one that is configured, and stand where we were."""
        from aiokafka import ConsumerRebalanceListener, TopicPartition

        if self._config.consumer_group is None:
            only = TopicPartition(self._config.topic, int(self._config.partition))
            consumer.assign([only])
            await self._stand(consumer, [only])
            return
        source = self

        class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
            async def on_partitions_revoked(self, revoked: "Sequence[TopicPartition]") -> None:
                """Returns once what is in hand is durable: whoever gets the partition next sees where we were."""
                async with source._moving:
                    await source._tell_group(consumer, now=True)
                    source._marks.clear()

            async def on_partitions_assigned(self, assigned: "Sequence[TopicPartition]") -> None:
                async with source._moving:
                    await source._stand(consumer, list(assigned))

        consumer.subscribe([self._config.topic], listener=Listener())

    async def _stand(
        self, consumer: "AIOKafkaConsumer", partitions: "list[TopicPartition]"
    ) -> None:
        """Go to where each partition goes on, and remember that before the first message is read."""
        state, place = self._around.state, self._around.place
        facts = await state.facts(place)
        rewind = Rewind.decode(facts.get(REWIND))
        marks = {one: await self._mark(consumer, one, facts, rewind) for one in partitions}
        noted: dict[str, bytes | None] = {_name(one): mark.encode() for one, mark in marks.items()}
        await state.note(place, {**noted, REWIND: None} if rewind else noted)
        self._marks.update(marks)
        self._back(consumer)
        self._stands += 1
        self._around.ready()

    async def _mark(
        self,
        consumer: "AIOKafkaConsumer",
        partition: "TopicPartition",
        facts: Mapping[str, bytes],
        rewind: Rewind | None,
    ) -> _Mark:
        ours = _Mark.decode(facts[_name(partition)]) if _name(partition) in facts else None
        if rewind:
            offset = await _rewound(consumer, partition, rewind)
            return _Mark(offset, (ours.generation if ours else 0) + 1)
        group = self._config.consumer_group
        theirs = await consumer.committed(partition) if group else None
        known = [offset for offset in (ours and ours.offset, theirs) if offset is not None]
        if not known:
            ends = consumer.beginning_offsets if group and group.oldest else consumer.end_offsets
            return _Mark((await ends([partition]))[partition])
        oldest = (await consumer.beginning_offsets([partition]))[partition]
        if max(known) < oldest:
            log.error("messages_are_gone", **_where(partition, max(known)), oldest=oldest)
        return _Mark(max(*known, oldest), ours.generation if ours else 0)

    async def _work(self, consumer: "AIOKafkaConsumer", publish: Publish) -> None:
        limit = self._config.limit_events_per_second
        quiet = 0
        while True:
            most = min(_BATCH, limit) if limit else _BATCH
            stands = self._stands
            found = await consumer.getmany(timeout_ms=_POLL_MS, max_records=most)
            count = sum(map(len, found.values()))
            quiet = 0 if count else quiet + 1
            async with self._moving:
                if stands != self._stands:
                    self._back(consumer)  # fetched, perhaps, before we said where we stand
                    continue
                if count:
                    await self._forward(consumer, publish, found)
                elif quiet >= _QUIET_POLLS:
                    quiet = 0
                    await _ask(consumer)
                await self._tell_group(consumer)
            if limit and count:
                await self._around.clock.sleep(count / limit)

    def _back(self, consumer: "AIOKafkaConsumer") -> None:
        for partition, mark in self._marks.items():
            consumer.seek(partition, mark.offset)

    async def _forward(
        self,
        consumer: "AIOKafkaConsumer",
        publish: Publish,
        found: "Mapping[TopicPartition, Sequence[ConsumerRecord]]",
    ) -> None:
        """Publish, with the places behind what was published. While our store is away the partitions pause."""
        mine = {one: records for one, records in found.items() if one in self._marks}
        marks = {
            one: self._marks[one]._replace(offset=records[-1].offset + 1)
            for one, records in mine.items()
        }
        events = await self._events(mine)
        attempt = 0
        while True:
            try:
                await publish(events, {_name(one): mark.encode() for one, mark in marks.items()})
            except ServiceError as error:
                attempt += 1
                if attempt == 1:
                    log.warning("partitions_pause", error=str(error), messages=len(events))
                consumer.pause(*consumer.assignment())
                await self._around.clock.sleep(_PAUSE.delay(attempt))
                await consumer.getmany(timeout_ms=0)  # says that we are alive
            else:
                break
        if attempt:
            consumer.resume(*consumer.assignment())
        self._marks.update(marks)

    async def _events(
        self, found: "Mapping[TopicPartition, Sequence[ConsumerRecord]]"
    ) -> list[NewEvent]:
        """Poison is set aside."""
        events: list[NewEvent] = []
        poison: list[PoisonMessage] = []
        for one, records in found.items():
            for record in records:
                try:
                    events.append(self._event(record, self._marks[one].generation))
                except streams.Poison as error:
                    where = _where(one, record.offset)
                    poison.append(PoisonMessage(str(error), where, error.raw))
        await self._around.set_aside(poison)
        return events

    def _event(self, record: "ConsumerRecord", generation: int) -> NewEvent:
        """Raises streams.Poison."""
        nothing = b"null" if self._config.json_body else b""
        payload: dict[str, Any] = {
            "topic": record.topic,
            "key": (record.key or b"").decode("utf-8", "replace"),
            "partition": record.partition,
            "body": streams.body(record.value or nothing, self._config.json_body),
            "timestamp": gotime.of_milliseconds(record.timestamp),
            "headers": {name: value.decode("utf-8", "replace") for name, value in record.headers},
        }
        if self._config.metadata:
            payload["metadata"] = self._config.metadata
        place, again = self._around.place, f":{generation}" if generation else ""
        first = kafka.addresses(self._config.url)[0]
        where = f"{first}:{record.topic}:{record.partition}:{record.offset}{again}"
        return NewEvent(
            data=orjson.dumps(payload),
            id=f"{place.name}:{place.subject}:{where}",
            dedup=where,
        )

    async def _tell_group(self, consumer: "AIOKafkaConsumer", now: bool = False) -> None:
        """For those who look at the group's lag; our own place is in our own database."""
        from aiokafka.errors import KafkaError

        moment = self._around.clock.monotonic()
        offsets = {one: mark.offset for one, mark in self._marks.items()}
        if not self._config.consumer_group or offsets == self._told:
            return
        if moment < self._tell_at and not now:
            return
        self._tell_at, self._told = moment + _TELL_GROUP_S, offsets
        try:
            await consumer.commit(offsets)
        except KafkaError as error:
            log.debug("group_not_told", error=str(error))


def _check(config: KafkaSource.Config) -> None:
    if not config.url:
        raise BadSourceConfig("url is missing: write the addresses of the brokers")
    if not config.topic:
        raise BadSourceConfig("topic is missing: write the name of the topic")
    group = config.consumer_group
    if group is not None and not group.group_name:
        raise BadSourceConfig("consumerGroup.groupName is missing: name the group")
    if group is None and not str(config.partition).isdigit():
        raise BadSourceConfig(f"partition is '{config.partition}': a number, or a consumerGroup")
    kafka.check(config.sasl)
    unsupported = {
        "config": config.config,
        "schemaRegistry": config.schema_registry,
        "awsMskIamAuth": config.aws_msk_iam_auth,
    }
    for name, value in unsupported.items():
        if value:
            raise BadSourceConfig(f"{name} is not supported: remove it")


async def _rewound(
    consumer: "AIOKafkaConsumer", partition: "TopicPartition", rewind: Rewind
) -> int:
    """The offset a rewind means; one that lies before the oldest message means the oldest."""
    oldest = (await consumer.beginning_offsets([partition]))[partition]
    newest = (await consumer.end_offsets([partition]))[partition]
    wanted = rewind.offset
    if rewind.time is not None:
        found = await consumer.offsets_for_times({partition: int(rewind.time.timestamp() * 1000)})
        wanted = found[partition].offset if found.get(partition) else newest
    return int(min(max(wanted or 0, oldest), newest))


async def _ask(consumer: "AIOKafkaConsumer") -> None:
    """Silence may mean that nothing was sent, or that nobody is there. Raises kafka.KafkaAway."""
    if not consumer.assignment():
        return
    try:
        async with asyncio.timeout(_ANSWER_S):
            await consumer.end_offsets(consumer.assignment())
    except TimeoutError as error:
        raise kafka.KafkaAway(f"the brokers have not answered for {_ANSWER_S:.0f} s") from error


def _name(partition: "TopicPartition") -> str:
    return f"{partition.topic}/{partition.partition}"


def _where(partition: "TopicPartition", offset: int) -> dict[str, Any]:
    return {"topic": partition.topic, "partition": partition.partition, "offset": offset}
