"""The Kafka source: how soon a message starts a process, and how many messages a second reach the log."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import kept
from benchmarks.engine import Engine
from benchmarks.latency import SENSOR, stamp_of
from benchmarks.report import Figure, rate
from tests.servers import apache_kafka, waiting

COUNT, _WARM = 100, 20
MESSAGES = 100_000
BODY = b'{"ref":"refs/heads/main","pad":"' + b"x" * 166 + b'"}'
_PAUSE_S = 0.04  # to look for the stamp at once would take the processor from the program that is to print it
SOURCE = """
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: bench}
spec:
  kafka:
    hook:
      url: 127.0.0.1:%d
      topic: %s
      jsonBody: true
      consumerGroup: {groupName: bench, oldest: true}
"""


def latency() -> Figure:
    """Milliseconds from before a message is sent to inside the program that it starts, at the median.

    On Apache Kafka itself: the small broker lets a waiting consumer wait a quarter of a second for what is there.
    """
    with apache_kafka.running() as broker:
        floor = statistics.median(_bare_waits(broker.port))
        ours = statistics.median(_our_waits(broker.port))
    return Figure(
        name="Kafka message → first process, p50",
        value=ours,
        unit="ms",
        limit=floor,
        limit_name="bare consumer that spawns",
        ratio=ours / floor,
        target="≤ 15 ms",
        met=ours <= 15,
    )


def _our_waits(port: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        asyncio.run(make_topic(port, "ours"))
        engine.write("source.yaml", SOURCE % (port, "ours"))
        engine.write("sensor.yaml", SENSOR)
        engine.start()
        steps = engine.data / "steps"
        try:
            return asyncio.run(_waits(port, "ours", lambda n: stamp_of(steps.rglob("*.log"), n)))
        finally:
            engine.stop()


def _bare_waits(port: int) -> list[float]:
    """The same for `benchmarks.bare_consumer`, which spawns and keeps nothing."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "bare.log")
        asyncio.run(make_topic(port, "bare"))
        command = [sys.executable, "-m", "benchmarks.bare_consumer", str(port), "bare", str(log)]
        with subprocess.Popen(command) as bare:
            try:
                return asyncio.run(_waits(port, "bare", lambda n: stamp_of([log], n)))
            finally:
                bare.terminate()


async def _waits(port: int, topic: str, printed: Callable[[int], int | None]) -> list[float]:
    """One message after the other; the first ones do not count."""
    producer = await _producer(port)
    waits = [await _one(producer, topic, printed, n) for n in range(COUNT + _WARM)]
    await producer.stop()
    return waits[_WARM:]


async def _one(
    producer: Any, topic: str, printed: Callable[[int], int | None], number: int
) -> float:
    sent = time.time_ns()
    await producer.send_and_wait(topic, b'{"n":"%d"}' % number)
    await asyncio.sleep(_PAUSE_S)
    await waiting.until(lambda: printed(number) is not None, f"message {number} starts a process")
    return ((printed(number) or 0) - sent) / 1e6


def ingest() -> Figure:
    """Messages per second of wall time, each in a process of its own on the same broker, in turn: the middle pair.

    From the first batch's arrival to the last's, so that neither counts what comes before. The bare consumer commits
    each batch of 500, and does nothing else with it.
    """
    with apache_kafka.running() as broker:
        asyncio.run(_fill(broker.port))
        rounds = [(_our_rate(broker.port), _bare_rate(broker.port)) for _ in range(5)]
    ours, plain = sorted(rounds, key=lambda pair: pair[0] / pair[1])[2]
    return Figure(
        name="Kafka ingest into the log",
        value=ours,
        unit="messages per second",
        limit=plain,
        limit_name="bare consumer that commits",
        ratio=ours / plain,
        target="≥ 0.50",
        met=ours / plain >= 0.5,
    )


def _our_rate(port: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        group = f"ours-{time.time_ns()}"
        engine.write(
            "source.yaml",
            (SOURCE % (port, "full")).replace("groupName: bench", f"groupName: {group}"),
        )
        engine.start()
        try:
            engine.until(lambda: kept.count(engine) >= MESSAGES, 120)
        finally:
            engine.stop()
        return rate(kept.times(engine))


def _bare_rate(port: int) -> float:
    command = [sys.executable, "-m", "benchmarks.bare_commits", str(port), "full", str(MESSAGES)]
    return float(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)


async def _fill(port: int) -> None:
    await make_topic(port, "full")
    producer = await _producer(port)
    for _ in range(MESSAGES):
        await producer.send("full", BODY)
    await producer.stop()


async def _producer(port: int) -> Any:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}")
    await producer.start()
    return producer


async def make_topic(port: int, name: str) -> None:
    """Of one partition: a broker that makes topics by itself gives them more."""
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()
