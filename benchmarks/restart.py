"""10,000 live runs on disk, then the time until an engine started on them is ready and has adopted them."""

import asyncio
import tempfile
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
        live = sum(w["status"].get("phase") == "Running" for w in engine.workflows())
        engine.kill()
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
