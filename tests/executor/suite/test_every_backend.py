"""What every backend must do, whatever runs the steps: the contract of executor/ports.py."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.clock import SystemClock
from executor.backends.memory import MemoryBackend, Play
from executor.backends.process import ProcessBackend
from executor.model import DEADLINE_EXCEEDED, Task
from tests.executor.bench import Bench, in_seconds, open_process_backend, shell

KINDS = ["process", "memory"]


class Actor(Bench):
    """A bench whose tasks do what a Play says, on any backend."""

    def task(self, node: str, play: Play, **fields: Any) -> Task:
        if isinstance(self.backend, MemoryBackend):
            self.backend.script(re.escape(f"wf.{node}"), play)
        return shell(node, _script(play), outputs=_declared(play), **fields)


def _script(play: Play) -> str:
    lines = ["trap '' TERM"] if play.ignores_term else []
    lines.append(f"printf %s {shlex.quote(play.log)}")
    lines += [
        f"printf '%s\\n' {shlex.quote(text)} > /tmp/{name}" for name, text in play.outputs.items()
    ]
    nap = f"sleep {play.seconds}"
    lines.append(f"{nap}; {nap}; {nap}" if play.ignores_term else nap)
    return "; ".join([*lines, f"exit {play.exit_code}"])


def _declared(play: Play) -> dict[str, Any]:
    return {
        "parameters": [
            {"name": name, "valueFrom": {"path": f"/tmp/{name}"}} for name in play.outputs
        ]
    }


@pytest.fixture(params=KINDS)
async def actor(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Actor]:
    backend: ProcessBackend | MemoryBackend
    backend = (
        open_process_backend(root) if request.param == "process" else MemoryBackend(SystemClock())
    )
    yield Actor(backend)
    await backend.close()


async def test_a_step_is_reported_as_started_and_then_as_succeeded_once(actor: Actor) -> None:
    task = actor.task("ok", Play())
    report = await actor.run(task)
    assert [seen.state for seen in actor.reports] == ["started", "succeeded"]
    assert report.outputs is not None
    assert report.outputs.exit_code == "0"


async def test_an_exit_code_fails_the_step_in_argos_words(actor: Actor) -> None:
    report = await actor.run(actor.task("bad", Play(exit_code=3)))
    assert (report.state, report.message) == ("failed", "main: Error (exit code 3)")
    assert report.outputs is not None
    assert report.outputs.exit_code == "3"


async def test_parameters_and_the_result_come_back(actor: Actor) -> None:
    play = Play(log="two\nlines\n", outputs={"version": "1.2"})
    report = await actor.run(actor.task("out", play, capture_result=True))
    assert report.outputs is not None
    assert report.outputs.parameters == {"version": "1.2"}
    assert report.outputs.result == "two\nlines"


async def test_starting_twice_runs_once_and_tells_the_end_again(actor: Actor) -> None:
    task = actor.task("twice", Play(log="once\n"))
    await actor.start(task, task)
    await actor.end(task)
    actor.reports.clear()
    assert (await actor.run(task)).state == "succeeded"
    assert await actor.log(task) == b"once\n"


async def test_adopting_a_task_that_never_started_starts_it(actor: Actor) -> None:
    task = actor.task("fresh", Play())
    await actor.backend.adopt([task])
    assert (await actor.end(task)).state == "succeeded"


async def test_a_step_that_outlived_its_engine_is_told_as_started_again(
    actor: Actor, root: Path
) -> None:
    task = actor.task("outlives", Play(seconds=60))
    await actor.start(task)
    await actor.until(task, "started")
    later = actor
    if isinstance(actor.backend, ProcessBackend):
        await actor.backend.close()
        later = Actor(open_process_backend(root))
    later.reports.clear()
    await later.backend.adopt([task])
    assert (await later.until(task, "started")).state == "started"
    await later.backend.stop(task.id, timedelta(seconds=0))
    assert (await later.end(task)).state == "failed"
    await later.backend.close()


async def test_stop_ends_a_step_with_the_code_of_sigterm(actor: Actor) -> None:
    task = actor.task("long", Play(seconds=60))
    await actor.start(task)
    await actor.until(task, "started")
    await actor.backend.stop(task.id, timedelta(seconds=30))
    assert (await actor.end(task)).message == "main: Error (exit code 143)"


async def test_a_step_that_ignores_sigterm_is_killed_after_the_grace(actor: Actor) -> None:
    task = actor.task("deaf", Play(seconds=60, ignores_term=True, log="listening\n"))
    await actor.start(task)
    await actor.until(task, "started")
    async for chunk in actor.backend.logs(
        task.id, follow=not isinstance(actor.backend, MemoryBackend)
    ):
        assert chunk == b"listening\n"
        break
    await actor.backend.stop(task.id, timedelta(milliseconds=200))
    assert (await actor.end(task)).message == "main: Error (exit code 137)"


async def test_stopping_what_does_not_run_does_nothing(actor: Actor) -> None:
    await actor.backend.stop("run-1/nobody", timedelta(seconds=1))
    assert (await actor.run(actor.task("after", Play()))).state == "succeeded"


async def test_the_deadline_stops_a_step(actor: Actor) -> None:
    task = actor.task("late", Play(seconds=60), deadline=in_seconds(0.3))
    report = await actor.run(task)
    assert (report.state, report.message) == ("failed", DEADLINE_EXCEEDED)


async def test_followed_logs_end_with_the_step(actor: Actor) -> None:
    task = actor.task("talk", Play(log="hello\n", seconds=0.1))
    await actor.start(task)
    log, report = await asyncio.gather(actor.log(task, follow=True), actor.end(task))
    assert log == b"hello\n"
    assert report.state == "succeeded"


async def test_a_forgotten_step_leaves_no_log(actor: Actor) -> None:
    task = actor.task("gone", Play(log="hello\n"))
    await actor.run(task)
    await actor.backend.forget([task.id])
    assert await actor.log(task) == b""
