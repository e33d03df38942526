"""A controller on a real database with a scripted executor, that can be crashed and started again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bireme.kit.clock import LoopClock
from bireme.kit.ids import CountedIds
from bireme.storage.ports import Transaction
from bireme.storage.sqlite import SqliteDatabase, open_sqlite
from controller.cron import CronBank
from controller.run import Controller, Options
from tests.controller.scripted import ScriptedExecutor

Json = dict[str, Any]
T = TypeVar("T")


class AnyThreadClock(LoopClock):
    """The loop's time, to be asked from the writer thread too."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time()


class Attentive:
    """The real database, awaited without letting faked time run on while its thread works."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self.read = database.read
        self.close = database.close

    async def write(self, work: Callable[[Transaction], T]) -> T:
        future = self._database.submit(work)
        while not future.done():  # noqa: ASYNC110  an idle loop would let the faked time jump
            await asyncio.sleep(0)
        return future.result()


class World:
    """`start` brings a controller up, `crash` takes it away as kill -9 would, with whatever it had in mind."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self.path = folder / "bireme.db"
        self.options = options
        self.executor = ScriptedExecutor()
        self.ids = CountedIds()
        self.clock = AnyThreadClock()
        self.database: Attentive
        self.controller: Controller
        self.cron: CronBank
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> "World":
        self.database = Attentive(await open_sqlite(self.path))
        self.controller = Controller(
            self.database, self.executor, self.clock, self.ids, options=self.options
        )
        self.cron = CronBank(self.database, self.clock, self.controller)
        await self.controller.recover()
        runs = (self.controller.run(), self.cron.run())
        self._tasks = [asyncio.ensure_future(run) for run in runs]
        return self

    async def crash(self) -> None:
        """Everything the process was doing ends here; the file and the steps stay."""
        mine = asyncio.all_tasks() - {asyncio.current_task()}
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)
        self._tasks = []
        self.executor.crash()
        await self.database.close()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.database.close()

    async def fire(self, manifest: Json, firing: str) -> dict[str, str]:
        """Submit as a sensor does: inside a transaction of its own."""
        return await self.database.write(lambda tx: self.controller.submit(tx, manifest, firing))

    async def end_of(self, made: Json) -> Json:
        metadata = made.get("metadata", made)
        async with asyncio.timeout(86400):
            return await self.controller.wait(metadata["namespace"], metadata["name"])


def steps(*names: str, template: str = "echo", **spec: Any) -> Json:
    """A workflow whose steps run one after another."""
    groups = [[{"name": name, "template": template}] for name in names]
    return workflow({"name": "main", "steps": groups}, **spec)


def workflow(*templates: Json, **spec: Any) -> Json:
    """A workflow whose entrypoint is the first of `templates`; `echo` and `wait` are there to be used."""
    metadata = spec.pop("metadata", {"generateName": "wf-"})
    echo = {"name": "echo", "container": {"image": "busybox", "command": ["echo", "hi"]}}
    wait = {"name": "wait", "suspend": spec.pop("suspend_for", {})}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": metadata,
        "spec": {
            "entrypoint": templates[0]["name"] if templates else "echo",
            "templates": [*templates, echo, wait],
            **spec,
        },
    }


def phases(found: Json) -> dict[str, str]:
    """Display name -> phase of every node."""
    return {node["displayName"]: node["phase"] for node in found["status"]["nodes"].values()}
