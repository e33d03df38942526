"""A thousand workflows of ten steps at once: engine, history and database, with steps that end at once."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.dag import Shell
from benchmarks.report import Figure

RUNS, STEPS = 1_000, 10


def workflow(steps: int) -> dict[str, Any]:
    """Steps one after the other."""
    groups = [[{"name": f"s{i}", "template": "noop"}] for i in range(steps)]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "many-"},
        "spec": {
            "entrypoint": "main",
            "templates": [
                {"name": "main", "steps": groups},
                {"name": "noop", "container": {"image": "none", "command": ["/bin/true"]}},
            ],
        },
    }


def measure() -> list[Figure]:
    few = [asyncio.run(_run(50)) for _ in range(3)]
    many = asyncio.run(_run(RUNS)) / (RUNS * STEPS) * 1e6
    few += [asyncio.run(_run(50)) for _ in range(3)]
    alone = median(few) / (50 * STEPS) * 1e6
    return [
        Figure(
            name=f"{RUNS:,} workflows of {STEPS} steps at once",
            value=many,
            unit="µs/step",
            limit=alone,
            limit_name="50 workflows at once",
            ratio=many / alone,
            target="≤ 1.20",
            met=many <= 1.2 * alone,
        )
    ]


async def _run(count: int) -> float:
    """Processor seconds from the first birth to the last end."""
    with tempfile.TemporaryDirectory() as folder:
        async with Shell(Path(folder)) as controller:
            begun = time.process_time()
            made = await asyncio.gather(*(controller.create(workflow(STEPS)) for _ in range(count)))
            names = [one["metadata"]["name"] for one in made]
            ended = await asyncio.gather(*(controller.wait("default", name) for name in names))
            elapsed = time.process_time() - begun
    if any(one["status"]["phase"] != "Succeeded" for one in ended):
        raise RuntimeError("a workflow did not succeed")
    return elapsed
