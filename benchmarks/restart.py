"""10,000 live runs on disk: how long a start takes, and the first of them that is told to go on after it."""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.engine import Engine
from benchmarks.report import Figure
from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from bireme.storage.ports import Transaction
from controller.run import Controller
from executor.backends.memory import MemoryBackend

RUNS = 10_000
BATCH = 500
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
        engine.stop()
        asyncio.run(_seed(engine.data / "bireme.db"))
        loaded = engine.start()
        resumed = _resume(engine)
        live = sum(w["status"].get("phase") == "Running" for w in engine.workflows())
        engine.kill()
    if live != RUNS - 1:
        raise RuntimeError(f"{live} of {RUNS - 1} runs are live after the restart")
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
        ),
        Figure(
            name="the first of them to be resumed has ended",
            value=resumed * 1000,
            unit="ms",
            target="≤ 500 ms",
            met=resumed <= 0.5,
        ),
    ]


def _resume(engine: Engine) -> float:
    """Seconds until a run that waited before the restart has been resumed and has ended."""
    found = engine.call("/api/v1/workflows/default?listOptions.limit=1")["items"][0]
    name = found["metadata"]["name"]
    begun = time.perf_counter()
    engine.call(f"/api/v1/workflows/default/{name}/resume", {}, "PUT")
    engine.until(lambda: engine.workflow(name)["status"]["phase"] == "Succeeded")
    return time.perf_counter() - begun


async def _seed(path: Path) -> None:
    """The runs as an engine leaves them that is killed: begun, waiting, on disk."""
    clock = SystemClock()
    database = await open_database(path)
    controller = Controller(database, MemoryBackend(clock), clock, RandomIds())

    def submit(tx: Transaction) -> None:
        for _ in range(BATCH):
            controller.submit(tx, WORKFLOW)

    for _ in range(RUNS // BATCH):
        await database.write(submit)
    await controller.close()
    await database.close()
