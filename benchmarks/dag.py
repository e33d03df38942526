"""The controller's own cost of a DAG: engine, history and database, with steps that end at once.

What a step costs as a process is measured in `steps`; here the question is whether the cost of a task grows with the
number of tasks. The limit is the same run at 1,000 tasks.
"""

import asyncio
import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Figure
from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from controller.run import Controller
from executor.backends.memory import MemoryBackend
from server.wiring import GC_THRESHOLDS

SIZES = (1_000, 100_000)
WIDTH = 50

Json = dict[str, Any]


def workflow(shape: str, count: int) -> Json:
    """About `count` tasks in one of the shapes."""
    templates = SHAPES[shape](count)
    noop = {"name": "noop", "container": {"image": "none", "command": ["/bin/true"]}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": f"{shape}-{count}"},
        "spec": {"entrypoint": "main", "templates": [*templates, noop]},
    }


def _dag(name: str, tasks: list[Json]) -> Json:
    return {"name": name, "dag": {"tasks": tasks}}


def _task(name: str, needs: Sequence[str] = (), template: str = "noop") -> Json:
    return {"name": name, "template": template, "dependencies": list(needs)}


def _layers(count: int) -> list[Json]:
    """Layers of `WIDTH` tasks; each needs two of the layer before."""
    needs = [[f"t{i - WIDTH}", f"t{i - WIDTH - 1}"] if i > WIDTH else [] for i in range(count)]
    return [_dag("main", [_task(f"t{i}", needs[i]) for i in range(count)])]


def _flat(count: int) -> list[Json]:
    """No task needs another."""
    return [_dag("main", [_task(f"t{i}") for i in range(count)])]


def _deep(count: int) -> list[Json]:
    """One after the other."""
    return [_dag("main", [_task(f"t{i}", [f"t{i - 1}"] if i else []) for i in range(count)])]


def _wide(count: int) -> list[Json]:
    """One task, then a loop over as many items as there are, then one task that needs them all."""
    loop = {**_task("each", ["first"]), "withSequence": {"count": count - 2}}
    return [_dag("main", [_task("first"), loop, _task("last", ["each"])])]


def _nested(count: int) -> list[Json]:
    """Steps that call steps that call a group of ten, in a row."""
    inner = [{"name": f"s{i}", "template": "noop"} for i in range(10)]
    outer = [[{"name": f"g{i}", "template": "inner"}] for i in range(10)]
    groups = [[{"name": f"h{i}", "template": "outer"}] for i in range(count // 100)]
    return [
        {"name": "main", "steps": groups},
        {"name": "outer", "steps": outer},
        {"name": "inner", "steps": [inner]},
    ]


SHAPES: dict[str, Callable[[int], list[Json]]] = {
    "layers": _layers, "flat": _flat, "deep": _deep, "wide": _wide, "nested": _nested,
}  # fmt: skip


def measure() -> list[Figure]:
    figures = [_cost(shape) for shape in SHAPES]
    held = asyncio.run(_held(2_000)), asyncio.run(_held(10_000))
    memory = (held[1] - held[0]) / 8_000
    return [
        *figures,
        Figure(
            name="memory per finished task",
            value=memory,
            unit="bytes",
            target="≤ 1,024 bytes",
            met=memory <= 1024,
        ),
    ]


def _cost(shape: str) -> Figure:
    """What a task costs among many, beside what it costs among few, before and after: a machine has its moods."""
    few, many = SIZES
    small = [asyncio.run(_run(shape, few)) for _ in range(5)]
    seconds = asyncio.run(_run(shape, many))
    small += [asyncio.run(_run(shape, few)) for _ in range(5)]
    each, alone = seconds / many * 1e6, median(small) / few * 1e6
    return Figure(
        name=f"{many:,}-task DAG, {shape} ({seconds:.1f} s)",
        value=each,
        unit="µs/task",
        limit=alone,
        limit_name=f"at {few:,} tasks",
        ratio=each / alone,
        target="≤ 1.20",
        met=each <= 1.2 * alone,
    )


async def _run(shape: str, count: int) -> float:
    """Processor seconds from the birth of the workflow to its end: of the loop, the writer and the collector."""
    with tempfile.TemporaryDirectory() as folder:
        async with Shell(Path(folder)) as controller:
            manifest = workflow(shape, count)
            begun = time.process_time()
            await controller.create(manifest)
            ended = await controller.wait("default", manifest["metadata"]["name"])
            elapsed = time.process_time() - begun
    if ended["status"]["phase"] != "Succeeded":
        raise RuntimeError(f"the workflow ended {ended['status']['phase']}")
    return elapsed


async def _held(count: int) -> float:
    """Bytes that a run with all tasks but the last finished holds, its manifest apart."""
    from datetime import UTC, datetime

    from controller.dag.advance import advance
    from controller.dag.begin import begin
    from controller.dag.model import Begin, Reported, Source, StartTask
    from executor.model import Report

    now = datetime(2026, 1, 1, tzinfo=UTC)
    spec = workflow("layers", count)["spec"]
    gc.collect()
    tracemalloc.start()
    run = begin(Source(uid="u", name="wf", namespace="d", spec=spec, created=now))
    ready = [e.task.id for e in advance(run, [Begin()], now).effects if isinstance(e, StartTask)]
    while len(ready) > 1:
        report = Report(task=ready.pop(0), state="succeeded", at=now)
        done = advance(run, [Reported(report)], now)
        ready += [e.task.id for e in done.effects if isinstance(e, StartTask)]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


class Shell:
    """A controller on a real database with a backend that runs nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def __aenter__(self) -> Controller:
        gc.set_threshold(*GC_THRESHOLDS)
        clock = SystemClock()
        self.database = await open_database(self.folder / "bench.db")
        self.controller = Controller(self.database, MemoryBackend(clock), clock, RandomIds())
        self.running = asyncio.ensure_future(self.controller.run())
        return self.controller

    async def __aexit__(self, *ended: object) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.database.close()
