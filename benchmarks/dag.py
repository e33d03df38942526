"""The controller's own cost of a DAG: engine, history and database, with steps that end at once.

What a step costs as a process is measured in `steps`; here the question is whether the cost of a task grows with the
number of tasks. The limit is the same run at 1,000 tasks.
"""

import asyncio
import gc
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks.report import Figure
from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from controller.run import Controller
from executor.backends.memory import MemoryBackend

SIZES = (1_000, 10_000, 50_000)
WIDTH = 50


def workflow(count: int) -> dict[str, Any]:
    """Layers of `WIDTH` tasks; each needs two of the layer before."""
    tasks = [_task(i) for i in range(count)]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": f"layers-{count}"},
        "spec": {
            "entrypoint": "main",
            "templates": [
                {"name": "main", "dag": {"tasks": tasks}},
                {"name": "noop", "container": {"image": "none", "command": ["/bin/true"]}},
            ],
        },
    }


def _task(i: int) -> dict[str, Any]:
    needs = [f"t{i - WIDTH}", f"t{i - WIDTH - 1}"] if i > WIDTH else []
    return {"name": f"t{i}", "template": "noop", "dependencies": needs}


def measure() -> list[Figure]:
    seconds = {count: asyncio.run(_run(count)) for count in SIZES}
    each = {count: seconds[count] / count * 1e6 for count in SIZES}
    figures = [
        Figure(
            name=f"{count:,}-task DAG, engine and history ({seconds[count]:.1f} s)",
            value=each[count],
            unit="µs/task",
            limit=each[SIZES[0]],
            limit_name="at 1,000 tasks",
            ratio=each[count] / each[SIZES[0]],
            target="≤ 1.20",
            met=each[count] <= 1.2 * each[SIZES[0]],
        )
        for count in SIZES[1:]
    ]
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


async def _run(count: int) -> float:
    """Seconds from the durable birth of the workflow to its end."""
    with tempfile.TemporaryDirectory() as folder:
        async with _Shell(Path(folder)) as controller:
            manifest = workflow(count)
            begun = time.perf_counter()
            await controller.create(manifest)
            ended = await controller.wait("default", manifest["metadata"]["name"])
            elapsed = time.perf_counter() - begun
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
    spec = workflow(count)["spec"]
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


class _Shell:
    """A controller on a real database with a backend that runs nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def __aenter__(self) -> Controller:
        clock = SystemClock()
        self.database = await open_database(self.folder / "bench.db")
        self.controller = Controller(self.database, MemoryBackend(clock), clock, RandomIds())
        self.running = asyncio.ensure_future(self.controller.run())
        return self.controller

    async def __aexit__(self, *ended: object) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.database.close()
