"""What an event costs when 10,000 and 100,000 sensors are applied: only what its matches cost.

One commit an event measures the disk's fsync, so the figures that count come in batches of a hundred events: what
passes from publishing to the durable decisions, and of that, in the writer thread's own CPU time, evaluating (from the
event to its decisions and firings) and storing (the statements that write their rows). A sensor that listens makes one
decision an event, with its trace: by one data filter that refuses it, or that lets it fire a `log` trigger.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.report import Figure
from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from bireme.storage.ports import Row, Transaction
from events.buses.sqlite import SqliteBus
from events.model import Event
from sensors.run import SensorBank
from sensors.surroundings import Surroundings

MATCHES = 20
EVENTS = 300
MANY = 100_000
FEW = 10
BATCH = 100
WANTED_US = 200.0

T = TypeVar("T")


class _Nothing:
    """No workflows and no secrets: these sensors only log."""

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        raise KeyError(name)

    def config(self, namespace: str, name: str, key: str) -> str:
        raise KeyError(name)

    def submit(self, tx: Any, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        raise KeyError(firing)

    def firings(self, tx: Any, uids: Any) -> list[str]:
        return []

    def live(self, tx: Any, uids: Any) -> set[str]:
        return set()

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any], firing: str = ""
    ) -> dict[str, str]:
        raise KeyError(name)

    async def of_cron(self, namespace: str, name: str) -> dict[str, Any]:
        raise KeyError(name)

    async def labels(self, namespace: str, name: str) -> dict[str, str]:
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Microseconds of one event: passed, and of the writer thread's CPU time."""

    passed: float
    evaluating: float
    storing: float


class _Timed:
    """A transaction that counts the CPU time its statements take."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.on_commit = tx.on_commit
        self.spent = 0.0

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._count(lambda: self._tx.execute(sql, params))

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        self._count(lambda: self._tx.executemany(sql, rows, shared))

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._count(lambda: self._tx.query(sql, params))

    def _count(self, run: Callable[[], T]) -> T:
        begun = time.thread_time()
        try:
            return run()
        finally:
            self.spent += time.thread_time() - begun


def sensor(i: int, source: str, wanted: str = "never") -> dict[str, Any]:
    only = {"data": [{"path": "body.kind", "type": "string", "value": [wanted]}]}
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
    few = asyncio.run(_event_cost(MATCHES, MATCHES)).passed
    many = asyncio.run(_event_cost(10_000, MATCHES)).passed
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
        *_in_batches("refuse it", "never"),
        *_in_batches("fire", "other"),
    ]


def _in_batches(what: str, wanted: str) -> list[Figure]:
    """100,000 sensors and events in hundreds: the whole, and its parts beside it."""
    few = asyncio.run(_event_cost(FEW, FEW, BATCH, wanted))
    many = asyncio.run(_event_cost(MANY, FEW, BATCH, wanted))
    parts = {"": (many.passed, few.passed), ", evaluating": (many.evaluating, few.evaluating),
             ", storing": (many.storing, few.storing)}  # fmt: skip
    return [
        Figure(
            name=f"event with {MANY:,} sensors, {FEW} {what}{part}",
            value=value,
            unit="µs of CPU" if part else "µs",
            limit=limit,
            limit_name=f"with only those {FEW} sensors",
            ratio=value / limit,
            target="(part of it)" if part else f"≤ {WANTED_US:g} µs",
            met=many.passed <= WANTED_US,
        )
        for part, (value, limit) in parts.items()
    ]


async def _event_cost(count: int, matches: int, batch: int = 1, wanted: str = "never") -> _Cost:
    """Medians of an event's cost, from publishing it with its batch to its durable decisions."""
    with tempfile.TemporaryDirectory() as folder:
        clock, nothing = SystemClock(), _Nothing()
        database = await open_database(Path(folder) / "bench.db")
        around = Surroundings(clock, RandomIds(), nothing, nothing, database=database)
        bank = SensorBank(database, around)
        costs: list[_Cost] = []
        parts = [0.0, 0.0]

        def consume(tx: Transaction, events: Sequence[Event]) -> None:
            timed, begun = _Timed(tx), time.thread_time()
            bank.consume(timed, events)
            parts[:] = time.thread_time() - begun - timed.spent, timed.spent

        bus = SqliteBus(database, clock, consume)
        for i in range(count):
            bank.add(sensor(i, "busy" if i < matches else f"other{i}", wanted))
        await bank.catch_up()
        for i in range(EVENTS // 3 if batch > 1 else EVENTS):
            given = [_event(i * batch + n) for n in range(batch)]
            begun = time.perf_counter()
            await bus.publish(given)
            passed = time.perf_counter() - begun
            costs.append(_Cost(*(part / batch * 1e6 for part in (passed, *parts))))
        await bank.close()
        await database.close()
    kept = costs[20:]
    return _Cost(
        statistics.median(cost.passed for cost in kept),
        statistics.median(cost.evaluating for cost in kept),
        statistics.median(cost.storing for cost in kept),
    )


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
