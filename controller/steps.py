"""The hot path: what has happened is queued by run, and one step takes all of it.

A step is: advance (pure), one row of history, then the effects, in that order. Steps of many runs share a commit;
a run has one step under way at a time. Nothing but this module changes a run in memory.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError, UserError
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database, StorageError, Transaction
from controller import asked as answers
from controller import codec, measures, sleepers, stopping, store
from controller.asked import Asked, Outcome
from controller.births import LiveRun
from controller.dag import model as dag
from controller.dag.advance import advance, replan
from controller.dag.fold import pending_tasks
from controller.dag.measure import Measured
from controller.gatekeeper import Gatekeeper, memorize
from controller.launching import Launcher
from controller.locks import Limit
from controller.model import HistoryRow, PhaseRow, SleeperRow
from controller.sleepers import Sleeper, Sleepers
from controller.stopping import Stopper
from controller.timers import Timers
from executor.model import Report, Task
from executor.ports import Executor

log = structlog.get_logger(__name__)

COMMITS_UNDER_WAY = 2
"""More would only split what one fsync can carry: while these run, further steps gather for the next."""
LARGEST_ASLEEP = 1_000
"""A run of more nodes stays in memory while it waits: to bring it back would hold up everybody."""
PLACES = 512
"""How many steps are in the executor's hands at once; as many as its own backends run at once."""
_GATES = (dag.Acquire, dag.Release, dag.Recall)
_ENDED = frozenset(("succeeded", "failed", "error"))
_AGAIN = Backoff(base_s=0.1, factor=2, cap_s=5)


@dataclass(slots=True)
class Step:
    """What one step of one run writes and does."""

    live: LiveRun
    entry: HistoryRow | None
    row: PhaseRow | None
    effects: list[dag.Effect]
    outcomes: list[Outcome] = field(default_factory=list)
    failed: bool = False
    measured: list[Measured] = field(default_factory=list)
    rest: SleeperRow | None = None


class Steps:
    """Brings live runs forward. `changed` is called after each durable step, `ended` once a run is over."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        clock: Clock,
        *,
        changed: Callable[[LiveRun], None],
        ended: Callable[[LiveRun, PhaseRow], None],
        limit: Limit,
        places: int = PLACES,
    ) -> None:
        self._database = database
        self._clock = clock
        self._changed = changed
        self._ended = ended
        self._tasks = TaskScope("controller.steps")
        self.timers = Timers(clock, self.tick)
        self.gates = Gatekeeper(database, clock, self._tasks, self.feed, limit)
        self._ready: list[LiveRun] = []
        self._turn_asked = False
        self._commits = 0
        self._launcher = Launcher(executor, clock, self._tasks, self.report, places)
        self.stopper = Stopper(database, executor, self._tasks, self._launcher.withdraw)
        self.measures = measures.Measures()
        self.live: dict[str, LiveRun] = {}
        self.sleepers = Sleepers()

    # --- what comes in ---

    def welcome(
        self,
        live: LiveRun,
        effects: list[dag.Effect],
        row: PhaseRow | None,
        rest: SleeperRow | None = None,
    ) -> None:
        """A run whose first step is durable: do what that step asks, then take what comes."""
        self.live[live.uid] = live
        live.busy = True
        self._tasks.start("first", self._after_commit([Step(live, None, row, effects, rest=rest)]))

    def is_alive(self, uid: str) -> bool:
        """Whether the run has not ended, be it in memory or asleep."""
        return uid in self.live or uid in self.sleepers

    def feed(self, uid: str, input: dag.Input | Asked) -> bool:
        """Queue what happened for its run, which wakes if it sleeps; False when no such run is alive."""
        live = self.live.get(uid)
        if live is None:
            return self.sleepers.feed(uid, input)
        if live.over:
            return False
        live.inbox.append(input)
        self._ask(live)
        return True

    def report(self, report: Report) -> None:
        """The executor said something. About a run that is over there is nothing left to do."""
        uid = report.task.partition("/")[0]
        if report.state in _ENDED:
            self._launcher.release(uid, report.task)
        self.feed(uid, dag.Reported(report))

    def tick(self, uid: str) -> None:
        self.feed(uid, dag.Tick())

    async def operate(self, uid: str, operation: dag.Operation) -> None:
        """Returns once the operation is durable; raises what the engine has against it."""
        answer = asyncio.get_running_loop().create_future()
        if self.feed(uid, Asked(operation, answer)):
            await answer

    def forget(self, uid: str) -> LiveRun | None:
        """The run is deleted: nothing more is done for it."""
        self._let_go(uid)
        self.sleepers.forget(uid)
        live = self.live.pop(uid, None)
        if live is not None:
            live.over = True
        return live

    async def close(self) -> None:
        """Let the commits under way finish; queued inputs come again after a restart."""
        self.timers.close()
        for live in self.live.values():
            live.over = True
        await self._tasks.close(drain_s=5.0)

    # --- one turn: steps of every run that has something to do ---

    def _ask(self, live: LiveRun) -> None:
        if live.busy or live.ready:
            return
        live.ready = True
        self._ready.append(live)
        self._ask_turn()

    def _ask_turn(self) -> None:
        if not self._turn_asked and self._ready and self._commits < COMMITS_UNDER_WAY:
            self._turn_asked = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_asked = False
        now = self._clock.now()
        ready, self._ready = self._ready, []
        steps = [self._take(live, now) for live in ready if not live.over]
        if steps:
            self._commits += 1
            self._tasks.start("commit", self._commit(steps))

    def _take(self, live: LiveRun, now: datetime) -> Step:
        live.ready = False
        live.busy = True
        inbox, live.inbox = live.inbox, []
        try:
            return self._advance(live, inbox, now)
        except Exception as error:  # noqa: BLE001  boundary: one bad run never stops the others
            return self._broken(live, inbox, error, now)

    def _advance(self, live: LiveRun, inbox: list[Any], now: datetime) -> Step:
        before = live.run.phase
        outcomes: list[Outcome] = []
        if any(type(item) is Asked for item in inbox):
            done, operations = self._one_by_one(live, inbox, now, outcomes)
        else:
            done, operations = advance(live.run, inbox, now), []
        step = self._step(live, done, now, before, operations)
        step.outcomes = outcomes
        return step

    def _step(
        self,
        live: LiveRun,
        done: dag.Advance,
        now: datetime,
        before: str,
        operations: Sequence[dag.Operation] = (),
    ) -> Step:
        entry = None
        if done.changes:
            written = codec.encode_entry(done.changes, operations)
            entry = HistoryRow(live.uid, live.n, now.timestamp(), written)
            live.n += 1
        row = codec.phase_row(live) if live.run.phase != before else None
        measured = measures.of_step(live, done, now, ended=row is not None and not row.live)
        rest = sleepers.row_of(live, done.effects, now) if entry else None
        return Step(live, entry, row, done.effects, measured=measured, rest=rest)

    def _one_by_one(
        self, live: LiveRun, inbox: list[Any], now: datetime, outcomes: list[Outcome]
    ) -> tuple[dag.Advance, list[dag.Operation]]:
        """An operation may be refused, and then must leave no trace: each input is taken by itself."""
        total = dag.Advance([], [])
        operations = []
        for item in inbox:
            asked = item if isinstance(item, Asked) else None
            try:
                one = advance(live.run, [asked.operation if asked else item], now)
            except UserError as error:
                if asked is None:
                    raise
                outcomes.append((asked.answer, error))
                continue
            total.changes.extend(one.changes)
            total.effects.extend(one.effects)
            if asked:
                operations.append(asked.operation)
                outcomes.append((asked.answer, None))
        return total, operations

    def _broken(self, live: LiveRun, inbox: list[Any], error: Exception, now: datetime) -> Step:
        log.error(
            "run_broken",
            workflow=live.name,
            namespace=live.namespace,
            error=str(error),
            exc_info=error,
        )
        stops: list[dag.Effect] = [dag.StopTask(task.id) for task in tasks_left(live)]
        answers: list[Outcome] = [(item.answer, error) for item in inbox if isinstance(item, Asked)]
        text = f"{type(error).__name__}: {error}"
        live.run.phase, live.run.message, live.run.finished = "Error", text, now
        row = codec.broken_row(live.uid, live.cron, text, now)
        return Step(live, None, row, stops, answers, failed=True)

    # --- durable, then effects ---

    async def _commit(self, steps: list[Step]) -> None:
        try:
            await self._write(steps)
        finally:
            self._commits -= 1
            self._ask_turn()
        await self._after_commit(steps)

    async def _write(self, steps: list[Step]) -> None:
        if not any(step.entry or step.row for step in steps):
            return
        try:
            await self._write_until_durable(partial(self._record, steps))
        except StorageError as error:
            if len(steps) > 1:
                for step in steps:
                    await self._write([step])
                return
            self._abandon(steps[0], error)

    def _record(self, steps: list[Step], tx: Transaction) -> None:
        entries = [step.entry for step in steps if step.entry is not None]
        store.append(tx, entries, [step.row for step in steps if step.row is not None])
        store.rest(tx, [step.rest for step in steps if step.rest is not None])
        for step in steps:
            memorize(tx, step.live, step.effects, self._clock)
            stopping.note(tx, step.effects)

    async def _write_until_durable(self, work: Callable[[Transaction], None]) -> None:
        """Disk full or server away: what was decided stays decided, and is written as soon as that is possible."""
        attempt = 0
        while True:
            try:
                await self._database.write(work)
            except ServiceError as error:
                attempt += 1
                if attempt == 1:
                    log.error(
                        "history_not_written",
                        error=str(error),
                        advice="runs go on once there is space",
                    )
                await self._clock.sleep(_AGAIN.delay(attempt))
            else:
                if attempt:
                    log.info("history_written_again", attempts=attempt)
                return

    def _abandon(self, step: Step, error: StorageError) -> None:
        """The database refuses this run's row: somebody else wrote it. Whoever did goes on with the run, not we."""
        log.error("run_abandoned", workflow=step.live.name, error=str(error), exc_info=error)
        step.effects.clear()
        step.outcomes = [(answer, error) for answer, _ in step.outcomes]
        self.forget(step.live.uid)

    async def _after_commit(self, steps: list[Step]) -> None:
        for step in steps:
            live = step.live
            self.measures.take(live.name, step.measured)
            for effect in step.effects:
                self._perform(live, effect)
            await self._launcher.launch()
            for answer, error in step.outcomes:
                answers.answer(answer, error)
            live.busy = False
            if step.row is not None and not step.row.live:
                self._end(live, step.row)
            elif not live.over:
                self._changed(live)
                if live.inbox:
                    self._ask(live)
                elif step.rest is not None and len(live.run.nodes) <= LARGEST_ASLEEP:
                    del self.live[live.uid]
                    self.sleepers.put(Sleeper(live.uid, live.namespace, step.rest))

    def _perform(self, live: LiveRun, effect: dag.Effect) -> None:
        if type(effect) is dag.StartTask:
            self._launcher.ask(live.uid, effect.task)
        elif type(effect) is dag.WakeAt:
            self.timers.wake(live.uid, effect.at)
        elif type(effect) in _GATES:
            self.gates.perform(live, effect)
        elif type(effect) is dag.StopTask:
            self.stopper.stop(effect)

    def _end(self, live: LiveRun, row: PhaseRow) -> None:
        live.over = True
        for item in live.inbox:
            if isinstance(item, Asked):
                answers.answer(item.answer, dag.OperationRefused(f"workflow {live.name} has ended"))
        self._let_go(live.uid)
        self._ended(live, row)
        self.live.pop(live.uid, None)

    def _let_go(self, uid: str) -> None:
        """The run is over or gone: it has no timers, waits for no place and holds no lock."""
        self.timers.forget(uid)
        self._launcher.forget(uid)
        self.gates.forget(uid)

    # --- after a restart, or a sleep ---

    def pause(self) -> None:
        """Grant no lock and start no step until `go_on`: not everyone who was at work is back yet."""
        self.gates.pause()
        self._launcher.pause()

    def go_on(self) -> None:
        self.gates.go_on()
        self._launcher.go_on()

    async def adopt(self, runs: Sequence[LiveRun]) -> None:
        """Runs that were alive before: ask the executor about their tasks, and go on with each."""
        now = self._clock.now()
        tasks: list[Task] = []
        steps: list[Step] = []
        for live in runs:
            self.live[live.uid] = live
            live.busy = True
            step = self._look_again(live, now)
            steps.append(step)
            new = {effect.task.id for effect in step.effects if type(effect) is dag.StartTask}
            tasks.extend(task for task in tasks_left(live) if task.id not in new)
        await self._launcher.adopt(tasks)
        self._commits += 1
        self.gates.restore(step.live for step in steps if not step.failed)
        await self._commit(steps)

    def _look_again(self, live: LiveRun, now: datetime) -> Step:
        try:
            return self._step(live, replan(live.run, now), now, "Running")
        except Exception as error:  # noqa: BLE001  boundary: one bad run never stops the others
            return self._broken(live, [], error, now)


def tasks_left(live: LiveRun) -> list[Task]:
    """What of the run may be running; of a broken one, as far as it can still say so."""
    try:
        return pending_tasks(live.run)
    except Exception as error:  # noqa: BLE001  boundary: the run is broken, its index may be too
        log.warning("tasks_of_broken_run_unknown", workflow=live.name, error=str(error))
        return []
