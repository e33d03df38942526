"""kill -9 with 1,000 live runs, then the time until the next engine is ready and has adopted them."""

import tempfile
from pathlib import Path

from benchmarks.engine import Engine
from benchmarks.report import Figure

RUNS = 1000
WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "waiting-"},
    "spec": {
        "entrypoint": "main",
        "templates": [
            {"name": "main", "steps": [[{"name": "wait", "template": "wait"}]]},
            {"name": "wait", "suspend": {}},
        ],
    },
}


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder))
        empty = engine.start()
        for _ in range(RUNS):
            engine.call("/api/v1/workflows/default", {"workflow": WORKFLOW})
        engine.kill()
        loaded = engine.start()
        live = sum(w["status"].get("phase") == "Running" for w in engine.workflows())
        engine.stop()
    if live != RUNS:
        raise RuntimeError(f"{live} of {RUNS} runs are live after the restart")
    return [
        Figure(
            name=f"restart with {RUNS:,} live runs",
            value=loaded,
            unit="s",
            limit=empty,
            limit_name="empty start",
            ratio=loaded / empty,
            target="≤ 2 s",
            met=loaded <= 2,
        )
    ]
