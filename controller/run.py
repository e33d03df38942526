"""The controller: the shell around the pure engine. Workflows come in by `submit`, `create` and cron; steps run in an
executor; every step is durable before its effects. The deck makes one per process, hands it to the sensors, the API
and the command line, and keeps `run` going.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from bireme.kit.clock import Clock
from bireme.kit.ids import Ids
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database, Transaction
from controller import codec, listing, logs, placing, stopping, store, submission
from controller.archive import Archive
from controller.births import LiveRun, Newborn, Nursery, Seed, born_at
from controller.dag import measure
from controller.dag import model as dag
from controller.dag.fold import index
from controller.discard import AT_THE_END, WITH_THE_WORKFLOW, discard, is_wanted
from controller.estimates import Estimates
from controller.measures import Measures
from controller.memo import MemoCaches
from controller.model import Change, Json, PhaseRow, RunRow, moment
from controller.operations import Operations
from controller.ports import BadOption, WorkflowNotFound
from controller.reading import Page, Reading, live_workflow
from controller.retention import Policy
from controller.sleepers import Sleeper
from controller.steps import PLACES, Steps, tasks_left
from controller.store import RunReader
from controller.sweep import Sweeper
from controller.sync_limits import SyncLimits
from controller.templates import TemplateShelf
from controller.throttle import Limits, Throttle
from controller.waking import Waking
from controller.watchers import Watchers
from executor.ports import Executor, Overlooks

log = structlog.get_logger(__name__)

REMEMBERED = 2_000
"""Of how many finished workflows the durations are read at a start."""
Ended = Callable[[LiveRun, str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the deck's settings say about workflows."""

    limits: Limits = field(default_factory=Limits)
    retention: Policy = field(default_factory=Policy)
    defaults: Json | None = None
    archive_s: float = 7 * 86400.0
    places: int = PLACES


class Controller:
    """Owns every run. All methods are for the event loop's thread except `submit`, which is for the writer's."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        clock: Clock,
        ids: Ids,
        *,
        shelf: TemplateShelf | None = None,
        options: Options | None = None,
    ) -> None:
        options = options or Options()
        self.shelf = shelf or TemplateShelf()
        self._database = database
        self._executor = executor
        self._clock = clock
        self._throttle = Throttle(options.limits)
        self._nursery = _nursery(self.shelf, ids, options, executor)
        self._watchers = Watchers()
        self.sync_limits = SyncLimits(database, self.shelf)
        self.memo = MemoCaches(database)
        self._steps = self._made_steps(options.places)
        self._estimates = Estimates()
        self.sync_limits.changed = self.shelf.changed = self._steps.gates.look_again
        self._tasks = TaskScope("controller")
        self._on_end: list[Ended] = []
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._complete = True
        self.reader = RunReader(database)
        self._waking = Waking(self, database, clock, self.reader, self._steps, self._tasks)
        self.reading = Reading(
            self.reader, self._steps, self._nursery, self._watchers, self._estimates
        )
        self.archive = Archive(
            self, database, clock, self.reader, self.reading, keep_s=options.archive_s
        )
        self._sweeper = Sweeper(self.reader, clock, options.retention, self.retire)
        self._operations = Operations(self, database, executor, clock, self._steps, self.reading)

    def _made_steps(self, places: int) -> Steps:
        return Steps(
            self._database,
            self._executor,
            self._clock,
            changed=self._watchers.tell,
            ended=self._ended,
            limit=self.sync_limits.of,
            places=places,
        )

    # --- births ---

    def submit(self, tx: Transaction, manifest: Json, firing: str = "") -> dict[str, str]:
        """Create a workflow in the caller's transaction; its first step starts once that is durable.

        The same firing again gives the same workflow. Raises InvalidManifest, or WorkflowExists when the name is
        taken by a workflow of another origin.
        """
        return placing.names(self.place(tx, manifest, firing))

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        """Those of the workflows that have not ended; one that is gone has."""
        return store.live_of(tx, uids)

    def place(
        self, tx: Transaction, manifest: Json, firing: str = "", seed: Seed | None = None
    ) -> Newborn | dict[str, str]:
        """As `submit`; the new run itself, or the names of the one the firing made before."""
        now = self._clock.now()
        placed = placing.place(tx, self._nursery, manifest, now, firing, seed)
        if isinstance(placed, Newborn):
            tx.on_commit(partial(self._welcome, placed))
        return placed

    async def create(
        self,
        manifest: Json,
        options: submission.SubmitOptions | None = None,
        *,
        firing: str = "",
        seed: Seed | None = None,
    ) -> Json:
        """Create a workflow for a client; the whole object as it was born. `serverDryRun` only checks.

        The same firing again gives the same workflow. `seed` puts nodes into it before it begins.
        """
        if options is not None:
            manifest = submission.apply_options(manifest, options)
        if options is not None and (options.server_dry_run or options.dry_run):
            return live_workflow(self._nursery.bear(manifest, self._clock.now()).live)
        await self.prepare(manifest)
        made = await self._database.write(lambda tx: self.place(tx, manifest, firing, seed))
        if isinstance(made, Newborn):
            return live_workflow(made.live)
        return await self.reading.get(made["namespace"], made["name"])

    async def prepare(self, manifest: Json) -> None:
        """What of a large workflow's birth can be done before the writer's turn. Raises InvalidManifest."""
        await self._nursery.prepare(manifest, self._clock.now())

    async def create_from(
        self, kind: str, namespace: str, name: str, options: submission.SubmitOptions
    ) -> Json:
        """Create a workflow from an applied WorkflowTemplate or ClusterWorkflowTemplate."""
        kinded = submission.kind_of(kind)
        if self.shelf.template(kinded, namespace, name) is None:
            raise BadOption(f'{kinded} "{name}" not found: apply it first')
        return await self.create(submission.from_template(kinded, namespace, name), options)

    def _welcome(self, newborn: Newborn) -> None:
        live = newborn.live
        self._estimate(live)
        self._watchers.tell(live, "ADDED")
        if not live.run.phase:
            self._queue(live)
            self._admit()
            return
        self._steps.welcome(
            live, newborn.effects, None if newborn.row.live else _ended_row(newborn), newborn.rest
        )

    def _estimate(self, live: LiveRun) -> None:
        labels = live.definition.metadata.get("labels") or {}
        live.estimate = self._estimates.of(live.namespace, labels)

    def _queue(self, live: LiveRun) -> None:
        priority = int(live.definition.spec.get("priority") or 0)
        self._steps.live[live.uid] = live
        self._throttle.add(live.uid, live.namespace, priority=priority, created=live.created_at)

    def _admit(self) -> None:
        for uid in self._throttle.admit() if self._complete else ():
            self._steps.feed(uid, dag.Begin())

    # --- ends ---

    def on_end(self, call: Ended) -> None:
        """Call back with each run that has ended and its phase (the cron bank listens)."""
        self._on_end.append(call)

    def _ended(self, live: LiveRun, row: PhaseRow) -> None:
        log.info("workflow_ended", workflow=live.name, namespace=live.namespace, phase=row.phase)
        self._watchers.tell(live, described=lambda: live_workflow(live))
        self._throttle.remove(live.uid)
        self._admit()
        if row.phase == "Succeeded" and row.started_at is not None and row.finished_at is not None:
            labels = live.definition.metadata.get("labels") or {}
            self._estimates.learn(live.namespace, labels, row.finished_at - row.started_at)
        if is_wanted(live.definition):
            found, spec = live_workflow(live), live.definition.spec
            self._tasks.start("discard", discard(self._executor, spec, found, AT_THE_END))
        self._sweeper.ended(live.uid, live.definition, row.phase, moment(row.finished_at))
        self._tell_waiting(live.uid)
        for call in self._on_end:
            call(live, row.phase)

    def _tell_waiting(self, uid: str) -> None:
        for future in self._waiting.pop(uid, ()):
            if not future.done():
                future.set_result(None)

    async def wait(self, namespace: str, name: str) -> Json:
        """Returns the workflow once it has ended."""
        row = await self.reading.row(namespace, name)
        if self._steps.is_alive(row.uid):
            future = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(row.uid, []).append(future)
            await future
        return await self.reading.get(row.namespace, row.name)

    # --- questions and wishes ---

    @property
    def live_count(self) -> int:
        """How many workflows have not ended."""
        return len(self._steps.live) + len(self._steps.sleepers)

    @property
    def measures(self) -> Measures:
        """The custom metrics of workflows since the start, with those of running ones as they are now."""
        now = self._clock.now()
        for live in self._steps.live.values():
            if live.has_metrics:
                self._steps.measures.take(live.name, measure.right_now(live.run, now))
        return self._steps.measures

    def live_run(self, uid: str) -> LiveRun:
        """A run in memory, to look at. Raises KeyError when it is not alive."""
        return self._steps.live[uid]

    async def get(self, namespace: str, name: str) -> Json:
        """The whole Workflow as Argo's object. Raises WorkflowNotFound."""
        return await self.reading.get(namespace, name)

    async def list(self, query: listing.ListQuery) -> Page:
        """A page of workflows, without nodes."""
        return await self.reading.list(query)

    def watch(
        self, query: listing.ListQuery, *, initial: bool = True
    ) -> AsyncGenerator[Change, None]:
        """ADDED, MODIFIED and DELETED with the whole object, until the caller stops."""
        return self.reading.watch(query, initial=initial)

    def logs(
        self, namespace: str, name: str, *, node: str = "", follow: bool = False
    ) -> AsyncGenerator[logs.Chunk, None]:
        """Output of the workflow's steps (or of the one `node`, by id or name) as it came."""
        return logs.of_workflow(self, self._executor, (namespace, name), node=node, follow=follow)

    async def operate(
        self,
        namespace: str,
        name: str,
        operation: str,
        options: dict[str, Any] | None = None,
        firing: str = "",
    ) -> dict[str, str]:
        """suspend, resume, stop, terminate, set, retry, resubmit, delete; the names of the workflow concerned.

        Returns once durable. Raises WorkflowNotFound, WrongState, BadOption, or what the engine has against it.
        """
        return await self._operations.operate(namespace, name, operation, options or {}, firing)

    async def delete(self, namespace: str, name: str) -> None:
        """Stop what runs and forget the workflow, its history and its steps' files."""
        await self.forget((await self.reading.row(namespace, name)).uid)

    async def forget(self, uid: str) -> None:
        """As `delete`, by uid; nothing happens for a run that is gone."""
        await self._remove(uid, partial(store.delete, uid=uid))

    async def retire(self, uid: str) -> None:
        """A finished run leaves the list: the archive keeps it, its steps' files go."""
        await self._remove(uid, self.archive.put(uid))

    async def _remove(self, uid: str, write: Callable[[Transaction], None]) -> None:
        row = await self.reader.by_uid(uid)
        if row is None:
            return
        found = await self.reading.describe(uid)
        live = self._steps.forget(uid)
        self._throttle.remove(uid)
        await self._database.write(stopping.ending(tasks_left(live) if live else [], write))
        gone = live or self._nursery.revive(store.definition_of(row), uid, born_at(row))
        if is_wanted(gone.definition):
            await discard(self._executor, gone.definition.spec, found or {}, WITH_THE_WORKFLOW)
        await logs.forget(self._executor, found or {}, stop=live is not None)
        self._watchers.tell(gone, "DELETED", lambda: found or live_workflow(gone))
        for future in self._waiting.pop(uid, ()):
            if not future.done():
                future.set_exception(WorkflowNotFound(f"workflow {row.name} was deleted"))
        self._admit()

    # --- life ---

    async def recover(self) -> int:
        """After a start: find the unfinished runs, bring back those that were at work, adopt their tasks. How many.

        Those that wait sleep on until something touches them. One that fails to come back ends in Error.
        """
        self._complete = False
        for namespace, labels, seconds in await self.reader.successes(REMEMBERED):
            self._estimates.learn(namespace, labels, seconds)
        await self.sync_limits.load()
        await self._steps.stopper.again()
        return await self._waking.start()

    async def take_up(self) -> None:
        """Begin the runs that other processes have written (`cradle`)."""
        self._waking.find(await self.reader.unbegun())

    def revive(self, row: RunRow, entries: Sequence[bytes]) -> LiveRun:
        """The run of these rows, as it stood when the last of them was written."""
        live = self._nursery.revive(store.definition_of(row), row.uid, born_at(row))
        live.n = codec.replay(live.run, entries)
        self._estimate(live)
        if live.run.suspended:
            index(live.run)  # any other run is indexed when it is looked at again
        return live

    def returned(self, live: LiveRun) -> bool:
        """The run is in memory again; whether it goes on, for one that has not begun waits to be admitted."""
        if not live.run.phase:
            self._watchers.tell(live, "ADDED")
            self._queue(live)
            return False
        self._throttle.enter(live.uid, live.namespace)
        return True

    def sleeps_on(self, sleeper: Sleeper) -> None:
        """After a start: the run is there, and counts."""
        self._throttle.enter(sleeper.uid, sleeper.namespace)

    def lost(self, uid: str) -> None:
        """The run could not be brought back: its row says why."""
        self._throttle.remove(uid)
        self._tell_waiting(uid)

    def all_back(self) -> None:
        """After a start: who runs is known, so who waits may be admitted."""
        self._complete = True
        self._admit()

    async def run(self) -> None:
        """Take reports and sweep what has expired, until cancelled. `recover` comes first."""
        self._tasks.start("sweep", self._sweeper.run())
        self._tasks.start("archive", self.archive.run())
        try:
            async for report in self._executor.reports():
                self._steps.report(report)
        finally:
            await self.close()

    async def close(self) -> None:
        """Let commits under way finish. Steps go on by themselves and are adopted by the next start."""
        await self._steps.close()
        await self._tasks.close()


def _nursery(shelf: TemplateShelf, ids: Ids, options: Options, executor: Executor) -> Nursery:
    return Nursery(
        shelf,
        ids,
        defaults=options.defaults,
        waits=options.limits.any,
        overlooked=executor.overlooked if isinstance(executor, Overlooks) else lambda spec: (),
    )


def _ended_row(newborn: Newborn) -> PhaseRow:
    return codec.phase_row(newborn.live)
