"""A workflow of 50,000 tasks is born: how long does the longest write of anybody else wait meanwhile?

A write is what stands between an event and its sender's 200. The limit is the same measure for one of 100 tasks.
"""

import asyncio
import gc
import tempfile
import time
from pathlib import Path

from benchmarks.dag import Shell, workflow
from benchmarks.report import Figure

FEW, MANY = 100, 50_000
SHAPES = ("layers", "flat", "wide")
SECONDS = 3.0
"""A run goes on being born after it is there: the rest of it comes in slices."""


def measure() -> list[Figure]:
    return [_figure(shape) for shape in SHAPES]


def _figure(shape: str) -> Figure:
    few = min(asyncio.run(_longest_wait(shape, FEW)) for _ in range(3))
    many = asyncio.run(_longest_wait(shape, MANY))
    return Figure(
        name=f"longest wait while {MANY:,} tasks are born, {shape}",
        value=many * 1000,
        unit="ms",
        limit=few * 1000,
        limit_name=f"at {FEW} tasks",
        ratio=many / few,
        target="≤ 250 ms",
        met=many <= 0.25,
    )


async def _longest_wait(shape: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder))
        async with shell as controller:
            manifest = workflow(shape, count)
            gc.freeze()
            birth = asyncio.ensure_future(controller.create(manifest))
            longest, until = 0.0, time.perf_counter() + SECONDS
            while not birth.done() or time.perf_counter() < until:
                begun = time.perf_counter()
                await shell.database.write(lambda tx: tx.query("SELECT 1"))
                longest = max(longest, time.perf_counter() - begun)
                await asyncio.sleep(0.001)
            await birth
    return longest
