"""What a start reads of live runs, on each database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.storage.open import open_database
from controller.run import Controller
from tests import postgres as servers
from tests.controller.scripted import ScriptedExecutor, hangs, succeeds
from tests.controller.worlds import workflow


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Server | None]:
    with servers.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "bireme.db"
    return servers.url_or_skip(request.getfixturevalue("postgres"))


@asynccontextmanager
async def engine(address: str | Path, executor: ScriptedExecutor) -> AsyncIterator[Controller]:
    database = await open_database(address)
    controller = Controller(database, executor, SystemClock(), RandomIds())
    await controller.recover()
    running = asyncio.ensure_future(controller.run())
    yield controller
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await database.close()


async def test_a_start_finds_who_sleeps_and_who_was_at_work(address: str | Path) -> None:
    executor = ScriptedExecutor(hangs)
    pause = workflow({"name": "main", "suspend": {}}, metadata={"name": "sleeper"})
    async with engine(address, executor) as controller:
        assert controller.live_count == 0
        sleeper = await controller.create(pause)
        worker = await controller.create(workflow(metadata={"name": "worker"}))
    executor.crash()
    async with engine(address, executor) as controller:
        assert controller.live_count == 2
        assert controller.live_run(worker["metadata"]["uid"]).name == "worker"
        with pytest.raises(KeyError):
            controller.live_run(sleeper["metadata"]["uid"])
        await controller.operate("default", "sleeper", "resume")
        executor.finish(executor.started[0], succeeds)
        async with asyncio.timeout(30):
            ended = [await controller.wait("default", name) for name in ("sleeper", "worker")]
        assert [one["status"]["phase"] for one in ended] == ["Succeeded", "Succeeded"]
        await controller.delete("default", "sleeper")
        assert controller.live_count == 0
