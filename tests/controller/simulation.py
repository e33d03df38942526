"""The real controller on a real database under a seed, in a process that dies at any await and any commit.

One play is one life of a database and of an executor, with many lives of a process. Whatever asks the database or the
executor for anything may find itself dead: before the commit, after it, before the executor heard, after it did.
`python -m tests.controller.simulation COUNT` plays many seeds.

What must hold: no workflow that was accepted is lost or made twice; every one ends, and as it does in a process that
never dies; no node is run twice; who runs holds its locks, no lock has too many holders, none is held in the end; and
nothing is left running.
"""

import asyncio
import logging
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any
from zlib import crc32

import structlog

from bireme.kit.errors import UserError
from bireme.kit.ids import CountedIds
from bireme.storage.ports import Row
from controller.dag import lock_status
from controller.run import Controller
from executor.backends.memory import MemoryBackend, Play
from executor.model import Report, Task
from tests.dag.random_specs import LIMITS, random_spec
from tests.sensors.simulation import Disk, Life, SteppingClock, VirtualLoop

Json = dict[str, Any]
WORKFLOWS = 4
LONGEST_S = 20_000.0


class Mortal:
    """The executor as one life of the process sees it. The steps themselves live on."""

    def __init__(self, life: Life, steps: MemoryBackend, seed: int) -> None:
        self._life = life
        self._steps = steps
        self._seed = seed

    async def start(self, task: Task) -> None:
        await self._life.may_end()
        self._steps.script(re.escape(task.node_name), _play_of(task, self._seed))
        await self._steps.start(task)
        await self._life.may_end()

    async def adopt(self, tasks: Collection[Task]) -> None:
        for task in tasks:
            await self._life.may_end()
            self._steps.script(re.escape(task.node_name), _play_of(task, self._seed))
            await self._steps.adopt([task])
            await self._life.may_end()

    async def stop(self, task_id: str, grace: timedelta) -> None:
        await self._life.may_end()
        await self._steps.stop(task_id, grace)
        await self._life.may_end()

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            for report in await self._steps.next_reports():
                await self._life.may_end()
                yield report

    async def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        async for chunk in self._steps.logs(task_id, follow):
            yield chunk

    async def forget(self, task_ids: Collection[str]) -> None:
        await self._steps.forget(task_ids)

    async def close(self) -> None:
        """Holds nothing."""


def _play_of(task: Task, seed: int) -> Play:
    """What becomes of a step depends on its name alone."""
    chance = crc32(f"{seed} {task.node_name}".encode())
    cached = task.template["name"].startswith("kept")
    declared = (task.template.get("outputs") or {}).get("parameters") or []
    return Play(
        seconds=1e9 if task.template.get("daemon") else (0.0, 0.3, 4.0)[chance % 3],
        exit_code=0 if cached or chance % 100 >= 25 else 1,
        outputs={item["name"]: "value" for item in declared},
    )


class World:
    """One seed: workflows come in by firings, people pause and resume them, and the process dies."""

    def __init__(self, seed: int, *, dies: bool = True) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.disk = Disk()
        self.clock = SteppingClock()
        self.steps = MemoryBackend(self.clock)
        self.manifests = [_manifest(self.rng, n) for n in range(WORKFLOWS)]
        self.chance = self.rng.choice((0.002, 0.01, 0.03)) if dies else 0.0
        self.accepted: dict[str, Json] = {}
        self.lives = 0
        self.ends: dict[str, str] = {}

    async def play(self) -> "World":
        try:
            while not self._all_over():
                assert asyncio.get_running_loop().time() < LONGEST_S, self._rows()
                await self._live()
            await asyncio.sleep(10)
            self._check()
        finally:
            await self.steps.close()
            self.disk.close()
        return self

    async def _live(self) -> None:
        """One process, from its start to its death, or to the end of all workflows."""
        self.lives += 1
        life = Life(self.disk, self.rng, self.chance)
        ids = CountedIds()
        controller = Controller(life, Mortal(life, self.steps, self.seed), self.clock, ids)
        tasks = [
            asyncio.ensure_future(self._serve(controller)),
            asyncio.ensure_future(life.over.wait()),
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        life.over.set()
        mine = asyncio.all_tasks() - {asyncio.current_task()} - self._of_steps()
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)

    def _of_steps(self) -> set["asyncio.Task[Any]"]:
        return {*self.steps._running.values()}

    async def _serve(self, controller: Controller) -> None:
        await controller.sync_limits.load()
        if not controller.sync_limits._kept:
            await controller.sync_limits.create("default", "k", LIMITS["k"])
        await controller.recover()
        running = asyncio.ensure_future(controller.run())
        while not self._all_over() or self.steps._running:
            await self._submit(controller)
            await self._interfere(controller)
            self._check_locks(controller)
            await asyncio.sleep(self.rng.choice((0.0, 0.1, 1.0)))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def _submit(self, controller: Controller) -> None:
        """A sender goes on until it knows that the workflow was accepted, and says some things twice."""
        for n, manifest in enumerate(self.manifests):
            firing = f"firing-{n}"
            if firing in self.accepted and self.rng.random() > 0.05:
                continue
            made = (await controller.create(manifest, firing=firing))["metadata"]
            names = {key: made[key] for key in ("namespace", "name", "uid")}
            assert self.accepted.setdefault(firing, names) == names
            return

    async def _interfere(self, controller: Controller) -> None:
        if self.rng.random() > 0.2 or not self.accepted:
            return
        names = self.rng.choice([*self.accepted.values()])
        kind = self.rng.choice(("suspend", "resume", "resume", "resume"))
        with suppress(UserError):
            await controller.operate(names["namespace"], names["name"], kind)

    # --- what must hold ---

    def _rows(self) -> list[Row]:
        return self.disk.query("SELECT name, phase, live FROM runs ORDER BY name")

    def _all_over(self) -> bool:
        rows = self._rows()
        return len(rows) == WORKFLOWS and not any(live for *_, live in rows)

    def _check_locks(self, controller: Controller) -> None:
        """By the histories: no lock has more holders than it may have; the table says the same or less."""
        held: dict[str, set[tuple[str, str]]] = {}
        for uid, live in controller._steps.live.items():
            for holder, hold in lock_status.holders(live.run):
                for lock in hold.locks if hold.held else ():
                    held.setdefault(lock.name, set()).add((uid, holder))
        for name, who in held.items():
            limit = LIMITS.get(name.rpartition("/")[2], 1)
            assert len(who) <= limit, f"{name} is held by {sorted(who)}"

    def _check(self) -> None:
        rows = self._rows()
        assert [name for name, *_ in rows] == [f"wf-{n}" for n in range(WORKFLOWS)]
        self.ends = {name: phase for name, phase, _ in rows}
        assert set(self.ends.values()) <= {"Succeeded", "Failed"}, self.ends
        nodes = Counter((task.run, task.node_name) for task in self.steps.started)
        assert max(nodes.values()) == 1, f"run twice: {[n for n, c in nodes.items() if c > 1]}"
        assert not self.steps._running, f"left running: {[*self.steps._running]}"


def _manifest(rng: Random, n: int) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": f"wf-{n}", "namespace": "default"},
        "spec": random_spec(rng),
    }


def play(seed: int, *, dies: bool = True) -> World:
    """Play one seed in virtual time. Raises AssertionError for what must not be."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(seed, dies=dies)
    try:
        return loop.run_until_complete(world.play())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def check(seed: int) -> int:
    """A seed with deaths, and without; how many lives it took."""
    died, lived = play(seed), play(seed, dies=False)
    assert died.ends == lived.ends
    return died.lives


def main(count: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    lives = 0
    for seed in range(count):
        try:
            lives += check(seed)
        except BaseException:
            sys.stderr.write(f"seed {seed} failed\n")
            raise
    sys.stdout.write(f"{count} seeds, {lives} lives: nothing lost, nothing twice\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
