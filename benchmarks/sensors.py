"""What an event costs when 10,000 and 100,000 sensors are applied: only what its matches cost."""

import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import Figure
from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from events.buses.sqlite import SqliteBus
from events.model import Event
from sensors.run import SensorBank

MATCHES = 20
EVENTS = 300
MANY = 100_000
FEW = 10
BATCH = 100
WANTED_US = 200.0


class _Nothing:
    """No workflows and no secrets: these sensors only log."""

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        raise KeyError(name)

    def config(self, namespace: str, name: str, key: str) -> str:
        raise KeyError(name)

    def submit(self, tx: Any, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        raise KeyError(firing)

    def live(self, tx: Any, uids: Any) -> set[str]:
        return set()

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any]
    ) -> dict[str, str]:
        raise KeyError(name)


def sensor(i: int, source: str) -> dict[str, Any]:
    only = {"data": [{"path": "body.kind", "type": "string", "value": ["never"]}]}
    dependency = {"name": "d", "eventSourceName": source, "eventName": "e", "filters": only}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": f"s{i}", "namespace": "default"},
        "spec": {
            "dependencies": [dependency],
            "triggers": [{"template": {"name": "t", "log": {}}}],
        },
    }


def measure() -> list[Figure]:
    few, many = asyncio.run(_event_cost(MATCHES)), asyncio.run(_event_cost(10_000))
    return [
        Figure(
            name=f"event with 10,000 sensors, {MATCHES} match",
            value=many,
            unit="µs",
            limit=few,
            limit_name=f"with only those {MATCHES} sensors",
            ratio=many / few,
            target="≤ 1.50",
            met=many / few <= 1.5,
        ),
        _in_batches(),
    ]


def _in_batches() -> Figure:
    """The same with 100,000 sensors and events that come in hundreds, so that what counts is not the disk's fsync."""
    few = asyncio.run(_event_cost(FEW, FEW, BATCH)) / BATCH
    many = asyncio.run(_event_cost(MANY, FEW, BATCH)) / BATCH
    return Figure(
        name=f"event with {MANY:,} sensors, {FEW} match, in batches of {BATCH}",
        value=many,
        unit="µs",
        limit=few,
        limit_name=f"with only those {FEW} sensors",
        ratio=many / few,
        target=f"≤ {WANTED_US:g} µs",
        met=many <= WANTED_US,
    )


async def _event_cost(count: int, matches: int = MATCHES, batch: int = 1) -> float:
    """Median microseconds from publishing a batch of events to its durable decisions."""
    with tempfile.TemporaryDirectory() as folder:
        clock, nothing = SystemClock(), _Nothing()
        database = await open_database(Path(folder) / "bench.db")
        bank = SensorBank(database, clock, RandomIds(), nothing, nothing)
        bus = SqliteBus(database, clock, bank.consume)
        for i in range(count):
            bank.add(sensor(i, "busy" if i < matches else f"other{i}"))
        await bank.catch_up()
        waits = []
        for i in range(EVENTS):
            given = [_event(i * batch + n) for n in range(batch)]
            begun = time.perf_counter()
            await bus.publish(given)
            waits.append((time.perf_counter() - begun) * 1e6)
        await bank.close()
        await database.close()
    return statistics.median(waits[20:])


def _event(i: int) -> Event:
    return Event(
        id=f"e{i}",
        namespace="default",
        source="busy",
        subject="e",
        type="webhook",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data=b'{"header":{},"body":{"kind":"other"}}',
    )
