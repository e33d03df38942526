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
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.errors import BiremeError, ServiceError
from events import fields, kafka, kafka_config, kafka_group, kafka_msk
from events.kafka_avro import AvroBodies
from events.kafka_messages import Batch, Mark, Messages, fact_of, place_of
from events.kafka_msk import AwsMskIamAuth
from events.pace import Pace
from events.ports import BadSourceConfig, Publish, Surroundings, TimedAsker
from events.registry import sources
from events.rewind import REWIND, Rewind
from events.schema_registry import SchemaRegistry
from events.tls import Tls

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

log = structlog.get_logger(__name__)

_SLICE = 500  # made events without a break
_MOST = 4000
_POLL_MS = 1000
_QUIET_POLLS = 10
_ALIVE_S = 1.0
_TELL_GROUP_S = 1.0
_PAUSE = Backoff(base_s=0.1, factor=2, cap_s=5)


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
        consumer_group: kafka_group.Group | None = None
        limit_events_per_second: int = 0
        json_body: bool = False
        connection_backoff: dict[str, Any] | None = None
        tls: Tls | None = None
        sasl: kafka.Sasl | None = None
        config: str = ""
        schema_registry: SchemaRegistry | None = None
        aws_msk_iam_auth: AwsMskIamAuth | None = None
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        _check(config)
        self._config = config
        self._around = surroundings
        self._settings = kafka_config.parse(config.config)
        self._avro = _avro(config, surroundings)
        self._messages = Messages(
            surroundings.place,
            kafka.addresses(config.url)[0],
            config.json_body,
            config.metadata,
            self._avro.body if self._avro else None,
        )
        self._pace = Pace(_SLICE, _MOST)
        self._marks: dict[TopicPartition, Mark] = {}
        self._told: dict[TopicPartition, int] = {}
        self._tell_at = 0.0
        self._moving = asyncio.Lock()
        self._stands = 0
        self._fault: Exception | None = None

    @staticmethod
    def doubts(config: Config) -> Iterator[tuple[str, str]]:
        """Fields that are read and have no effect."""
        for path in kafka_config.parse(config.config).unused:
            yield f"config.{path}", "this setting has no counterpart here and no effect"
        if config.schema_registry and not config.json_body:
            yield "schemaRegistry", "no effect without `jsonBody: true`: bodies stay base64 of Avro"

    async def run(self, publish: Publish) -> None:
        self._marks, self._told, self._fault = {}, {}, None
        async with self._consumer() as consumer:
            await self._join(consumer)
            try:
                await self._work(consumer, publish)
            except asyncio.CancelledError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ALIVE_S):
                        await self._tell_group(consumer, now=True)
                raise

    @asynccontextmanager
    async def _consumer(self) -> "AsyncIterator[AIOKafkaConsumer]":
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaError

        config, brokers = self._config, kafka.addresses(self._config.url)
        way = access(config, self._around)
        options = {
            "client_id": f"bireme-{self._around.place.name}",
            "max_partition_fetch_bytes": 4 << 20,
            **self._settings.options,
        }
        consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers,
            enable_auto_commit=False,
            auto_offset_reset="latest",  # until we have said where we stand
            isolation_level="read_committed",
            **options,
            **kafka_group.options(config.consumer_group),
            **way,
        )
        try:
            await consumer.start()
            yield consumer
        except KafkaError as error:
            why = await kafka.why(error, brokers[0], way)
            raise kafka.KafkaAway(f"{config.url}: {why}") from error
        finally:
            await kafka.hang_up(consumer)

    async def _join(self, consumer: "AIOKafkaConsumer") -> None:
        """Be given partitions, or take the one that is configured, and stand where we were."""
        from aiokafka import ConsumerRebalanceListener, TopicPartition
        from aiokafka.errors import KafkaError

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
                """The client would only log what goes wrong here, and go on."""
                async with source._moving:
                    try:
                        await source._stand(consumer, list(assigned))
                    except (BiremeError, KafkaError) as error:
                        source._fault = error

        consumer.subscribe([self._config.topic], listener=Listener())

    async def _stand(
        self, consumer: "AIOKafkaConsumer", partitions: "list[TopicPartition]"
    ) -> None:
        """Go to where each partition goes on, and remember that before the first message is read.

        Raises Overtaken when whoever had a partition before us has just moved on in it.
        """
        state, place = self._around.state, self._around.place
        facts = await state.facts(place)
        rewind = Rewind.decode(facts.get(REWIND))
        marks = {one: await self._mark(consumer, one, facts, rewind) for one in partitions}
        noted: dict[str, bytes | None] = {
            fact_of(one): mark.encode() for one, mark in marks.items()
        }
        after = {fact: facts.get(fact) for fact in noted}
        await state.note(place, {**noted, REWIND: None} if rewind else noted, after)
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
    ) -> Mark:
        ours = Mark.decode(facts[fact_of(partition)]) if fact_of(partition) in facts else None
        if rewind:
            offset = await _rewound(consumer, partition, rewind)
            return Mark(offset, (ours.generation if ours else 0) + 1)
        group = self._config.consumer_group
        theirs = await consumer.committed(partition) if group else None
        known = [offset for offset in (ours and ours.offset, theirs) if offset is not None]
        if not known:
            is_oldest = group and (group.oldest or self._settings.oldest)
            ends = consumer.beginning_offsets if is_oldest else consumer.end_offsets
            return Mark((await ends([partition]))[partition])
        oldest = (await consumer.beginning_offsets([partition]))[partition]
        if max(known) < oldest:
            log.error("messages_are_gone", **place_of(partition, max(known)), oldest=oldest)
        return Mark(max(*known, oldest), ours.generation if ours else 0)

    async def _work(self, consumer: "AIOKafkaConsumer", publish: Publish) -> None:
        """Events are made of the next messages, or these are waited for, while the ones before are committed."""
        batch, quiet = Batch(self._stands), 0
        while True:
            ended = await asyncio.gather(
                self._forward(consumer, publish, batch),
                self._read(consumer),
                return_exceptions=True,
            )
            batch = _unless_failed(ended)
            if self._fault:
                raise self._fault
            quiet = 0 if batch.count else quiet + 1
            if quiet >= _QUIET_POLLS:
                quiet = 0
                await kafka.ask(consumer, consumer.assignment())

    async def _read(self, consumer: "AIOKafkaConsumer") -> Batch:
        """What is here, made events; waits for the first message, but not for ever."""
        batch, timeout_ms = Batch(self._stands), _POLL_MS
        most = min(self._pace.most, self._config.limit_events_per_second or _MOST)
        while batch.count < most:
            asked = min(_SLICE, most - batch.count)
            found = await consumer.getmany(timeout_ms=timeout_ms, max_records=asked)
            if self._avro:
                await self._avro.prepare(chain.from_iterable(found.values()))
            if batch.stands != self._stands or not found:
                break
            for one, records in found.items():
                if one in self._marks:
                    self._messages.take(batch, one, records, self._marks[one].generation)
            timeout_ms = 0
            await asyncio.sleep(0)  # others have their turn between two slices
        return batch

    def _back(self, consumer: "AIOKafkaConsumer") -> None:
        for partition, mark in self._marks.items():
            consumer.seek(partition, mark.offset)

    async def _forward(self, consumer: "AIOKafkaConsumer", publish: Publish, batch: Batch) -> None:
        """Publish, unless the partitions have moved since: then what was read is read again by whoever has them."""
        async with self._moving:
            if batch.stands != self._stands:
                self._back(consumer)  # fetched, perhaps, before we said where we stand
                return
            if batch.count and batch.ends.keys() <= self._marks.keys():
                await self._around.set_aside(batch.poison)
                await self._publish(consumer, publish, batch)
            await self._tell_group(consumer)
        if limit := self._config.limit_events_per_second:
            await self._around.clock.sleep(batch.count / limit)

    async def _publish(self, consumer: "AIOKafkaConsumer", publish: Publish, batch: Batch) -> None:
        """With the places behind what is published, if they are still where we left them. While our store is away
        the partitions pause. Raises Overtaken when somebody else has moved on in one."""
        before = {one: self._marks[one] for one in batch.ends}
        marks = {one: before[one]._replace(offset=end) for one, end in batch.ends.items()}
        begun, attempt = self._around.clock.monotonic(), 0
        while True:
            try:
                await publish(batch.events, _facts(marks), _facts(before))
            except ServiceError as error:
                attempt += 1
                if attempt == 1:
                    log.warning("partitions_pause", error=str(error), messages=len(batch.events))
                consumer.pause(*consumer.assignment())
                await self._around.clock.sleep(_PAUSE.delay(attempt))
                await _be_alive(consumer)
            else:
                break
        self._pace.took(self._around.clock.monotonic() - begun, batch.count)
        if attempt:
            consumer.resume(*consumer.assignment())
        self._marks.update(marks)

    async def _tell_group(self, consumer: "AIOKafkaConsumer", now: bool = False) -> None:
        """For those who look at the group's lag; our own place is in our own database."""
        from aiokafka.errors import KafkaError

        moment = self._around.clock.monotonic()
        offsets = {one: mark.offset for one, mark in self._marks.items()}
        if not self._config.consumer_group or not offsets or offsets == self._told:
            return
        if moment < self._tell_at and not now:
            return
        self._tell_at, self._told = moment + _TELL_GROUP_S, offsets
        try:
            await consumer.commit(offsets)
        except KafkaError as error:
            log.debug("group_not_told", error=str(error))


def access(config: KafkaSource.Config, around: TimedAsker) -> dict[str, Any]:
    """The client's options, for whoever listens or sends there. Raises BadSourceConfig, NotFound."""
    if config.aws_msk_iam_auth is not None:
        return kafka_msk.access(config.aws_msk_iam_auth, config.tls, around)
    return kafka.access(config.tls, config.sasl, around.secrets, around.place)


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
    kafka_msk.check(config.aws_msk_iam_auth, config.sasl)


def _avro(config: KafkaSource.Config, around: Surroundings) -> AvroBodies | None:
    """As upstream, a registry counts only for bodies that are to be JSON."""
    if config.schema_registry is None:
        return None
    bodies = AvroBodies(config.schema_registry, config.tls, around)
    return bodies if config.json_body else None


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


async def _be_alive(consumer: "AIOKafkaConsumer") -> None:
    """A member that never asks is taken for dead. While partitions are being given anew there is no answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_ALIVE_S):
            await consumer.getmany(timeout_ms=0)


def _unless_failed(ended: "tuple[BaseException | None, Batch | BaseException]") -> Batch:
    """What was read ahead. Raises what either of the two ran into."""
    forwarded, ahead = ended
    if forwarded is not None:
        raise forwarded
    if isinstance(ahead, BaseException):
        raise ahead
    return ahead


def _facts(marks: "Mapping[TopicPartition, Mark]") -> dict[str, bytes | None]:
    return {fact_of(one): mark.encode() for one, mark in marks.items()}
