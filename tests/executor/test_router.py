"""Several backends as one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bireme.kit.clock import SystemClock
from bireme.storage.open import open_database
from executor.router import Router
from executor.surroundings import Surroundings
from server.secrets import KeptSecrets
from tests.executor.bench import Bench, make_task, open_process_backend, shell

NOBODY = {"http": {"url": "http://127.0.0.1:1/"}}


@pytest.fixture
async def bench(root: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    database = await open_database(tmp_path / "bireme.db")
    secrets = KeptSecrets(tmp_path, {})
    around = Surroundings(root=root, clock=SystemClock(), database=database, secrets=secrets)
    router = Router(open_process_backend(root, reports=around.reports), around)
    yield Bench(router)
    await router.close()
    await database.close()


async def test_a_task_goes_where_its_template_belongs(bench: Bench) -> None:
    assert (await bench.run(shell("sh", "exit 3"))).message == "main: Error (exit code 3)"
    assert (await bench.run(make_task("ask", NOBODY))).message.startswith("GET http://127.0.0.1:1/")


async def test_adopted_tasks_are_shared_out(bench: Bench) -> None:
    tasks = [shell("sh", "exit 3"), make_task("ask", NOBODY)]
    await bench.backend.adopt(tasks)
    assert [(await bench.end(task)).state for task in tasks] == ["failed", "failed"]


async def test_logs_stop_and_forget_reach_every_backend(bench: Bench) -> None:
    task, other = shell("sh", "echo hello"), make_task("ask", NOBODY)
    await bench.run(task)
    await bench.run(other)
    assert await bench.log(task) == b"hello\n"
    assert await bench.log(other) == b""
    await bench.backend.stop(other.id, timedelta(seconds=1))
    await bench.backend.forget([task.id, other.id])
    assert await bench.log(task) == b""
    bench.reports.clear()
    assert (await bench.run(other)).state == "failed"
    assert [report.state for report in bench.reports] == ["started", "failed"]
