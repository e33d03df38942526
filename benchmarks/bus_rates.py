"""Acknowledged publishes per second through a bus, beside the bare client's own at the same concurrency."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from benchmarks.kafka_source import make_topic
from benchmarks.report import Figure
from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from events import envelope
from events.buses.jetstream import JetStreamBus
from events.buses.kafka import KafkaBus
from events.model import Event
from events.ports import BusSurroundings
from tests.events.conftest import GivenSecrets
from tests.servers import apache_kafka, nats

PUBLISHES, AT_ONCE = 3000, 32
DATA = b'{"ref":"refs/heads/main","pad":"' + b"x" * 166 + b'"}'
Bare = Callable[[dict[str, str]], Awaitable[Any]]
"""Publishes a message with these headers, and waits for the word of the server."""


def kafka_bus() -> Figure:
    """On Apache Kafka itself: the small broker gives nobody the identity that idempotent producers ask for."""
    with apache_kafka.running() as broker:
        return asyncio.run(_kafka(broker.port))


async def _kafka(port: int) -> Figure:
    from aiokafka import AIOKafkaProducer

    await make_topic(port, "bus")
    url = f"127.0.0.1:{port}"
    bus = KafkaBus(KafkaBus.Config(url=url, topic="bus"), _around())
    async with AIOKafkaProducer(
        bootstrap_servers=url, acks="all", enable_idempotence=True
    ) as producer:

        async def bare(headers: dict[str, str]) -> None:
            pairs = [(name, text.encode()) for name, text in headers.items()]
            await producer.send_and_wait("bus", DATA, key=b"hooks.push", headers=pairs)

        figure = await _figure("Kafka", bus, bare)
    await bus.close()
    return figure


def jetstream_bus() -> Figure:
    with nats.running() as server:
        return asyncio.run(_jetstream(f"nats://127.0.0.1:{server.port}"))


async def _jetstream(url: str) -> Figure:
    import nats as client

    around = _around()
    bus = JetStreamBus(JetStreamBus.Config(url=url), around)
    await bus.publish([_event()])  # makes the stream
    connection = await client.connect(url)
    stream, subject = connection.jetstream(), f"bireme.{around.namespace}.{around.name}"

    async def bare(headers: dict[str, str]) -> None:
        await stream.publish(subject, DATA, headers={**headers, "Nats-Msg-Id": headers["ce_id"]})

    figure = await _figure("JetStream", bus, bare)
    await connection.close()
    await bus.close()
    return figure


async def _figure(kind: str, bus: Any, bare: Bare) -> Figure:
    """The middle of five rounds, each of both in turn. What is published is made before the clock runs."""
    rounds = []
    for _ in range(5):
        ours = await _rate(bus.publish, [[_event()] for _ in range(PUBLISHES)])
        same = [envelope.headers(_event()) for _ in range(PUBLISHES)]
        rounds.append((ours, await _rate(bare, same)))
    ours, plain = sorted(rounds, key=lambda pair: pair[0] / pair[1])[2]
    return Figure(
        name=f"{kind} bus, {AT_ONCE} publishers",
        value=ours,
        unit="acknowledged per second",
        limit=plain,
        limit_name="bare client, the same messages",
        ratio=ours / plain,
        target="≥ 0.50",
        met=ours / plain >= 0.5,
    )


async def _rate(publish: Callable[[Any], Awaitable[Any]], messages: list[Any]) -> float:
    left = iter(messages)

    async def publisher() -> None:
        for message in left:
            await publish(message)

    begun = time.perf_counter()
    await asyncio.gather(*(publisher() for _ in range(AT_ONCE)))
    return len(messages) / (time.perf_counter() - begun)


def _around() -> BusSurroundings:
    return BusSurroundings("default", "bench", SystemClock(), RandomIds(), GivenSecrets())


def _event() -> Event:
    return Event(
        id=str(uuid4()),
        namespace="default",
        source="hooks",
        subject="push",
        type="webhook",
        time=datetime.now(UTC),
        received_at=datetime.now(UTC),
        data=DATA,
    )
