"""No-op steps per second of the whole engine, with full durability, against the bare spawn loop."""

import tempfile
import time
from pathlib import Path

from benchmarks.engine import Engine
from benchmarks.report import Figure
from benchmarks.spawn_floor import processes_per_second

WIDTH = 16
COUNT = 2000


def workflow(count: int, width: int = WIDTH) -> dict[str, object]:
    """A fan-out of `count` no-op steps, `width` at a time."""
    step = {"name": "noop", "template": "noop", "withSequence": {"count": str(count)}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "steps-"},
        "spec": {
            "entrypoint": "main",
            "parallelism": width,
            "templates": [
                {"name": "main", "steps": [[step]]},
                {"name": "noop", "container": {"image": "none", "command": ["/bin/true"]}},
            ],
        },
    }


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        engine.start()
        try:
            _steps_per_second(engine, 100)
            pairs = [
                (_steps_per_second(engine, COUNT), processes_per_second(COUNT, WIDTH))
                for _ in range(3)
            ]
        finally:
            engine.stop()
    ours, floor = sorted(pairs, key=lambda pair: pair[0] / pair[1])[1]
    return [
        Figure(
            name="no-op steps, durable",
            value=ours,
            unit="steps/s",
            limit=floor,
            limit_name="posix_spawn loop",
            ratio=ours / floor,
            target="≥ 0.50",
            met=ours / floor >= 0.5,
        )
    ]


def _steps_per_second(engine: Engine, count: int) -> float:
    begun = time.perf_counter()
    created = engine.call("/api/v1/workflows/default", {"workflow": workflow(count)})
    name = created["metadata"]["name"]
    engine.until(lambda: _phase(engine, name) in {"Succeeded", "Failed", "Error"}, 300)
    elapsed = time.perf_counter() - begun
    phase = _phase(engine, name)
    if phase != "Succeeded":
        raise RuntimeError(f"the benchmark's workflow ended {phase}")
    return count / elapsed


def _phase(engine: Engine, name: str) -> str:
    """From the list, which carries no nodes: asking must not be what is measured."""
    found: str = next(
        w["status"].get("phase", "") for w in engine.workflows() if w["metadata"]["name"] == name
    )
    return found
