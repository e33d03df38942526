"""Steps outlive the engine and the runner; none runs twice, none is lost."""

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from executor.backends.process import ProcessBackend
from executor.model import Task
from executor.runner import exits, files
from tests.executor.bench import (
    Bench,
    exists,
    in_seconds,
    open_process_backend,
    runner_pid,
    shell,
    text,
    until_true,
)


def counting(node: str, tmp_path: Path, then: str = "true", **fields: object) -> Task:
    """Writes one line into a file each time it is run."""
    return shell(node, f"echo run >> {tmp_path}/{node}; {then}", **fields)


def runs_of(node: str, tmp_path: Path) -> int:
    return text(tmp_path / node).count("run")


async def vanish(backend: ProcessBackend) -> None:
    """What the runner sees of an engine that was killed: the connection is gone, without a goodbye."""
    await backend.close()


async def test_a_step_that_ended_while_no_engine_was_there_is_reported_with_its_outputs(
    bench: Bench, root: Path, tmp_path: Path
) -> None:
    task = counting("away", tmp_path, then=f"sleep 0.2; echo 5 > {tmp_path}/done; exit 5")
    await bench.start(task)
    await bench.until(task, "started")
    await vanish(bench.backend)  # type: ignore[arg-type]
    await until_true(lambda: exits.read(str(root), task.id))
    again = Bench(open_process_backend(root))
    await again.backend.adopt([task])
    assert (await again.end(task)).message == "main: Error (exit code 5)"
    assert runs_of("away", tmp_path) == 1
    await again.backend.close()


async def test_a_step_that_outlived_its_engine_can_be_stopped_by_one_that_never_heard_of_it(
    bench: Bench, root: Path, tmp_path: Path
) -> None:
    task = counting("over", tmp_path, then="sleep 600")
    await bench.start(task)
    await bench.until(task, "started")
    await vanish(bench.backend)  # type: ignore[arg-type]
    again = open_process_backend(root)
    await again.stop(task.id, timedelta(seconds=0))
    await until_true(lambda: exits.read(str(root), task.id))
    await again.close()


async def test_a_running_step_is_adopted_and_watched(
    bench: Bench, root: Path, tmp_path: Path
) -> None:
    task = counting("on", tmp_path, then=f"until test -e {tmp_path}/go; do sleep 0.02; done")
    await bench.start(task)
    await bench.until(task, "started")
    await vanish(bench.backend)  # type: ignore[arg-type]
    again = Bench(open_process_backend(root))
    await again.backend.adopt([task])
    await again.until(task, "started")
    (tmp_path / "go").touch()
    assert (await again.end(task)).state == "succeeded"
    assert runs_of("on", tmp_path) == 1
    await again.backend.close()


async def test_the_runner_keeps_the_deadline_while_no_engine_is_there(
    bench: Bench, root: Path
) -> None:
    task = shell("late", "sleep 60", deadline=in_seconds(0.4))
    await bench.start(task)
    await bench.until(task, "started")
    await vanish(bench.backend)  # type: ignore[arg-type]
    await until_true(lambda: exits.read(str(root), task.id))
    record = exits.read(str(root), task.id)
    assert record is not None
    assert (record["reason"], record["code"]) == ("deadline", 143)


async def test_steps_go_on_when_the_runner_is_killed_and_keep_their_exit_code(
    bench: Bench, root: Path, tmp_path: Path
) -> None:
    task = counting(
        "orphan", tmp_path, then=f"until test -e {tmp_path}/go; do sleep 0.02; done; exit 3"
    )
    await bench.start(task)
    await bench.until(task, "started")
    first = runner_pid(root)
    os.kill(first, signal.SIGKILL)
    bench.reports.clear()
    await bench.until(task, "started")
    assert runner_pid(root) != first
    (tmp_path / "go").touch()
    report = await bench.end(task)
    assert runs_of("orphan", tmp_path) == 1
    assert report.message == "main: Error (exit code 3)" or "exit code was lost" in report.message


async def test_a_step_adopted_from_a_killed_runner_can_be_stopped(bench: Bench, root: Path) -> None:
    task = shell("stuck", "sleep 60")
    await bench.start(task)
    await bench.until(task, "started")
    os.kill(runner_pid(root), signal.SIGKILL)
    bench.reports.clear()
    await bench.until(task, "started")
    await bench.backend.stop(task.id, timedelta(seconds=5))
    assert (await bench.end(task)).state in ("failed", "error")


async def test_a_step_whose_end_nobody_saw_is_an_error_and_is_not_run_again(
    root: Path, tmp_path: Path
) -> None:
    folder = root / "steps" / "run-1"
    folder.mkdir(parents=True)
    (folder / f"unseen{files.LOG}").write_text("half a log")
    bench = Bench(open_process_backend(root))
    report = await bench.run(counting("unseen", tmp_path))
    assert report.state == "error"
    assert report.message.startswith("the exit code was lost: the runner was killed")
    assert not (tmp_path / "unseen").exists()
    await bench.backend.close()


async def test_fifty_steps_survive_a_runner_killed_again_and_again(
    bench: Bench, root: Path, tmp_path: Path
) -> None:
    tasks = [counting(f"n{number}", tmp_path, then="sleep 0.4") for number in range(50)]
    await bench.start(*tasks)
    for number in (5, 25, 45):
        await bench.until(tasks[number], "started")
        os.kill(runner_pid(root), signal.SIGKILL)
        await asyncio.sleep(0.1)
    for task in tasks:
        await bench.end(task)
    ran = [task.node for task in tasks if (tmp_path / task.node).exists()]
    assert all(runs_of(node, tmp_path) == 1 for node in ran)
    finals = [report for report in bench.reports if report.state not in ("started", "progress")]
    assert len(finals) == 50


@pytest.mark.slow
async def test_the_runner_leaves_when_nobody_needs_it(bench: Bench, root: Path) -> None:
    await bench.run(shell("one", "true"))
    pid = runner_pid(root)
    await bench.backend.close()
    watch = os.pidfd_open(pid)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(watch, gone.set)
    async with asyncio.timeout(15):
        await gone.wait()
    asyncio.get_running_loop().remove_reader(watch)
    os.close(watch)
    assert not exists(root / "runner.sock")
