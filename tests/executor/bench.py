"""A bench for backends: makes tasks, starts them, waits for their final reports."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bireme.kit.clock import SystemClock
from executor.backends.process import ProcessBackend
from executor.model import Report, Task
from executor.ports import Executor

WAIT_S = 20.0


def make_task(node: str, template: dict[str, Any], **fields: Any) -> Task:
    values: dict[str, Any] = {
        "id": f"run-1/{node}",
        "run": "run-1",
        "namespace": "default",
        "workflow": "wf",
        "node": node,
        "node_name": f"wf.{node}",
        "template": {"name": node, **template},
    }
    return Task(**{**values, **fields})


def shell(node: str, script: str, **fields: Any) -> Task:
    """A task that runs a shell script; `inputs` and `outputs` go into the template."""
    template: dict[str, Any] = {
        "container": {"image": "alpine", "command": ["sh", "-c"], "args": [script]}
    }
    for name in ("inputs", "outputs"):
        if name in fields:
            template[name] = fields.pop(name)
    return make_task(node, template, **fields)


class Bench:
    """One backend and every report it has given so far."""

    def __init__(self, backend: Executor) -> None:
        self.backend = backend
        self.reports: list[Report] = []

    async def start(self, *tasks: Task) -> None:
        for task in tasks:
            await self.backend.start(task)

    async def until(self, task: Task, *states: str) -> Report:
        """The first report of the task in one of the states."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for report in self.reports:
                    if report.task == task.id and report.state in states:
                        return report
                async for report in self.backend.reports():
                    self.reports.append(report)
                    break

    async def end(self, task: Task) -> Report:
        return await self.until(task, "succeeded", "failed", "error")

    async def run(self, task: Task) -> Report:
        await self.start(task)
        return await self.end(task)

    async def log(self, task: Task, follow: bool = False) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return b"".join([chunk async for chunk in self.backend.logs(task.id, follow)])


async def until_true(check: Callable[[], object]) -> None:
    """Wait for what another process does, of which no event tells us."""
    async with asyncio.timeout(WAIT_S):
        while not check():  # noqa: ASYNC110  there is no event to wait for
            await asyncio.sleep(0.01)


def exists(path: Path | str) -> bool:
    return Path(path).exists()


def text(path: Path | str) -> str:
    return Path(path).read_text()


def runner_pid(root: Path) -> int:
    """The runner of this data directory."""
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if (
                name.isdigit()
                and f"\0{root}\0".encode() in Path(f"/proc/{name}/cmdline").read_bytes()
            ):
                return int(name)
    raise AssertionError(f"no runner for {root}")


def open_process_backend(root: Path, **options: Any) -> ProcessBackend:
    return ProcessBackend(root, SystemClock(), environment=os.environ, **options)


def in_seconds(seconds: float) -> datetime:
    return SystemClock().now() + timedelta(seconds=seconds)
