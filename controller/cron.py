"""CronWorkflows: each firing is one transaction, each scheduled moment one workflow, whatever dies in between.

The deck applies and removes manifests and keeps `run` going. What is remembered of each is one durable row.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError, NotFound, ServiceError, UserError
from bireme.storage.ports import Database, Transaction
from controller import backfill, calendar, policy, schedule, store, submission
from controller.backfill import BackfillOptions
from controller.births import LiveRun
from controller.model import Json, cron_key, rfc3339
from controller.ports import WorkflowExists
from controller.run import Controller
from controller.schedule import CronState, Timetable
from controller.timers import Timers

log = structlog.get_logger(__name__)

RETRY_S = 5.0
LAST_USED = "cronworkflows.argoproj.io/last-used-schedule"
STOPPED = "cronworkflows.argoproj.io/completed"


class CronNotFound(NotFound):
    """No CronWorkflow of that name is applied."""


@dataclass(slots=True)
class Entry:
    """One applied CronWorkflow. What fires lies after `cursor`."""

    manifest: Json
    table: Timetable
    cursor: datetime
    state: CronState = field(default_factory=CronState)

    @property
    def name(self) -> str:
        return _key_of(self.manifest)[1]

    @property
    def namespace(self) -> str:
        return _key_of(self.manifest)[0]

    @property
    def key(self) -> str:
        return cron_key(self.namespace, self.name)


def _key_of(manifest: Json) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace") or "default", metadata["name"]


class CronBank:
    """All applied CronWorkflows. A clock step back fires nothing twice; a nap over several moments fires once."""

    def __init__(self, database: Database, clock: Clock, controller: Controller) -> None:
        self._database = database
        self._clock = clock
        self._controller = controller
        self._entries: dict[str, Entry] = {}
        self._due: dict[str, datetime | None] = {}
        self._ended: set[str] = set()
        self._news = asyncio.Event()
        self._timers = Timers(clock, self._ring)
        controller.on_end(self._on_end)

    # --- what is applied ---

    async def apply(self, manifest: Json) -> None:
        """Put or replace one CronWorkflow, as plain JSON values; what was missed is made up for as Argo does."""
        now = self._clock.now()
        table, fault = self._timetable(manifest)
        known = self._entries.get(cron_key(*_key_of(manifest)))
        cursor = known.cursor if known is not None and known.table == table else now
        entry = Entry(manifest, table, cursor)
        wanted = bool(manifest["spec"].get("suspend"))
        missed: list[datetime | None] = []

        def remember(state: CronState) -> None:
            missed[:] = [schedule.missed(table, state, now)]
            state.schedule_text = table.text
            state.spec_error = fault
            if wanted != state.manifest_suspend:
                state.suspend = state.manifest_suspend = wanted

        entry.state = await self._update(entry.key, remember)
        self._entries[entry.key] = entry
        if missed[0] is not None:
            self._ring(entry.key, missed[0])
        self._arm(entry)

    def _timetable(self, manifest: Json) -> tuple[Timetable, str]:
        """When it fires, and what is wrong with its calendar: one that cannot be read fires never."""
        try:
            rest = calendar.holidays(manifest, self._controller.shelf)
        except UserError as error:
            return Timetable(()), f"calendar: {error}"
        return schedule.timetable(manifest["spec"], rest), ""

    async def calendar_changed(self, namespace: str, config_map: str) -> None:
        """A config map was applied or removed: whoever takes holidays from it reads them again."""
        for entry in list(self._entries.values()):
            source = (entry.manifest["spec"].get("calendar") or {}).get("configMapKeyRef") or {}
            if (entry.namespace, source.get("name")) == (namespace, config_map):
                await self.apply(entry.manifest)

    async def remove(self, namespace: str, name: str) -> None:
        """Take one away with what is remembered of it. Its workflows stay."""
        key = cron_key(namespace, name)
        self._entries.pop(key, None)
        self._timers.forget(key)
        await self._database.write(lambda tx: store.forget_cron(tx, key))

    async def suspend(self, namespace: str, name: str) -> Json:
        """No more firings until `resume`."""
        return await self._set_suspend(namespace, name, True)

    async def resume(self, namespace: str, name: str) -> Json:
        """Fire again from the next scheduled moment on."""
        return await self._set_suspend(namespace, name, False)

    async def _set_suspend(self, namespace: str, name: str, suspend: bool) -> Json:
        entry = self._entry(namespace, name)

        def switch(state: CronState) -> None:
            state.suspend = suspend

        entry.state = await self._update(entry.key, switch)
        entry.cursor = max(entry.cursor, self._clock.now())
        return await self.get(namespace, name)

    async def _update(self, key: str, change: Callable[[CronState], None]) -> CronState:
        def work(tx: Transaction) -> CronState:
            state = store.load_cron(tx, key)
            change(state)
            store.save_cron(tx, key, state)
            return state

        return await self._database.write(work)

    # --- questions ---

    async def get(self, namespace: str, name: str) -> Json:
        """The CronWorkflow with its status. Raises CronNotFound."""
        entry = self._entry(namespace, name)
        state, active = await self._controller.reader.cron(entry.key)
        return _described(entry, state, active)

    async def list(self, namespace: str = "") -> list[Json]:
        """All of a namespace, or all there are, by name."""
        wanted = [e for e in self._entries.values() if namespace in ("", e.namespace)]
        wanted.sort(key=lambda entry: (entry.namespace, entry.name))
        return [await self.get(entry.namespace, entry.name) for entry in wanted]

    def preview(
        self, namespace: str, name: str, count: int = 5, after: datetime | None = None
    ) -> Sequence[datetime]:
        """The next `count` moments at which it will fire, from now on or after another moment."""
        entry = self._entry(namespace, name)
        return schedule.next_times(entry.table, after or self._clock.now(), count)

    async def backfill(self, namespace: str, name: str, asked: BackfillOptions) -> Json:
        """One run for each scheduled moment of a span that has none yet. Suspension and `when` are not asked.

        `items` holds name and moment of each, and whether it was `created`, `exists`, or is only `planned` (a dry
        run); `more` says that the span holds more moments than were asked for.
        """
        entry = self._entry(namespace, name)
        most = asked.max_workflow_count
        moments, more = schedule.times_between(entry.table, asked.start, asked.end, most)
        manifests = [backfill.workflow(entry.manifest, at, asked) for at in moments]
        states = ["planned"] * len(manifests)
        if not asked.dry_run:
            states = [await self._database.write(partial(self._made, m)) for m in manifests]
        items = [
            {"name": made["metadata"]["name"], "scheduledTime": rfc3339(at), "state": state}
            for made, at, state in zip(manifests, moments, states, strict=True)
        ]
        return {"items": items, "more": more}

    def _made(self, manifest: Json, tx: Transaction) -> str:
        try:
            self._controller.submit(tx, manifest)
        except WorkflowExists:
            return "exists"
        return "created"

    async def create(self, namespace: str, name: str, options: submission.SubmitOptions) -> Json:
        """A workflow right now, by hand: no policy is asked and no schedule moves."""
        return await self._controller.create(self.by_hand(namespace, name), options)

    def by_hand(self, namespace: str, name: str) -> Json:
        """The workflow of a run right now, with a name of its own. Raises CronNotFound."""
        scheduled = rfc3339(self._clock.now()) or ""
        return submission.from_cron(self._entry(namespace, name).manifest, scheduled)

    def _entry(self, namespace: str, name: str) -> Entry:
        found = self._entries.get(cron_key(namespace, name))
        if found is None:
            raise CronNotFound(f'cronworkflows.argoproj.io "{name}" not found')
        return found

    # --- firing ---

    async def run(self) -> None:
        """Fire what is due and tidy up after what has ended, until cancelled."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                due, self._due = self._due, {}
                ended, self._ended = self._ended, set()
                for key in ended:
                    await self._guarded(key, self._tidy)
                for key, at in due.items():
                    await self._guarded(key, partial(self._fire, missed=at))
        finally:
            self._timers.close()

    def _ring(self, key: str, missed: datetime | None = None) -> None:
        self._due[key] = missed
        self._news.set()

    def _on_end(self, live: LiveRun, phase: str) -> None:
        if live.cron is not None:
            self._ended.add(live.cron)
            self._news.set()

    async def _guarded(self, key: str, work: Callable[[Entry], Awaitable[None]]) -> None:
        entry = self._entries.get(key)
        if entry is None:
            return
        try:
            await work(entry)
        except ServiceError as error:
            log.error("cron_delayed", cron=key, error=str(error), retry_s=RETRY_S)
            self._timers.wake(key, _in(self._clock.now(), RETRY_S))
        except BiremeError as error:
            log.error("cron_failed", cron=key, error=str(error))

    async def _fire(self, entry: Entry, missed: datetime | None) -> None:
        now = self._clock.now()
        entry.table, _ = self._timetable(entry.manifest)
        at = missed or schedule.latest_due(entry.table, entry.cursor, now)
        if at is None:
            self._arm(entry)
            return
        if (entry.manifest["spec"].get("concurrencyPolicy") or "Allow") == "Replace":
            await self._replace(entry, now)
        with suppress(UserError):  # what is wrong with it is told when it is submitted
            await self._controller.prepare(submission.from_cron(entry.manifest, "", entry.name))
        entry.state = await self._database.write(partial(self._fire_in, entry, at, now))
        entry.cursor = max(entry.cursor, at)
        self._arm(entry)

    def _fire_in(self, entry: Entry, at: datetime, now: datetime, tx: Transaction) -> CronState:
        state = store.load_cron(tx, entry.key)
        _check_stop(entry, state)
        active = store.active_of(tx, entry.key)
        found = policy.verdict(entry.manifest, state, len(active), now)
        if found.act == "fail":
            state.submission_error = found.reason
        elif found.act != "skip":
            self._submit(tx, entry, state, at)
        store.save_cron(tx, entry.key, state)
        log.info("cron_due", cron=entry.key, at=rfc3339(at), act=found.act, reason=found.reason)
        return state

    def _submit(self, tx: Transaction, entry: Entry, state: CronState, at: datetime) -> None:
        name = f"{entry.name}-{int(at.timestamp())}"
        manifest = submission.from_cron(entry.manifest, rfc3339(at) or "", name)
        state.spec_error = state.submission_error = ""
        try:
            self._controller.submit(tx, manifest)
        except WorkflowExists:
            log.info("cron_fired_before", cron=entry.key, workflow=name)
        except UserError as error:
            state.spec_error = str(error)
            return
        state.last_scheduled = at.timestamp()

    async def _replace(self, entry: Entry, now: datetime) -> None:
        """End what is active first; what the policy would skip anyway ends nothing."""
        state, active = await self._controller.reader.cron(entry.key)
        if policy.verdict(entry.manifest, state, len(active), now).act != "replace":
            return
        for name, _ in active:
            try:
                await self._controller.operate(entry.namespace, name, "terminate")
            except UserError as error:
                log.info("cron_replaced_run_had_ended", workflow=name, error=str(error))

    def _arm(self, entry: Entry) -> None:
        at = schedule.next_time(entry.table, entry.cursor)
        if at is not None:
            self._timers.wake(entry.key, at)

    async def _tidy(self, entry: Entry) -> None:
        """A run has ended: forget the surplus, and see whether it was the last."""
        finished = await self._controller.reader.finished_of(entry.namespace, entry.name)
        for uid in schedule.surplus(finished, entry.manifest["spec"]):
            await self._controller.retire(uid)
        entry.state = await self._update(entry.key, partial(_check_stop, entry))


def _check_stop(entry: Entry, state: CronState) -> None:
    try:
        state.stopped = state.stopped or policy.should_stop(entry.manifest, state)
    except UserError as error:
        state.submission_error = f"stopStrategy: {error}"


def _in(now: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp(now.timestamp() + seconds, UTC)


def _described(entry: Entry, state: CronState, active: list[tuple[str, str]]) -> Json:
    metadata = dict(entry.manifest["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), LAST_USED: entry.table.text}
    if state.stopped:
        metadata["labels"] = {**(metadata.get("labels") or {}), STOPPED: "true"}
    spec = {k: v for k, v in entry.manifest["spec"].items() if k != "suspend"}
    if state.suspend:
        spec["suspend"] = True
    status: Json = {
        "active": [_reference(entry.namespace, name, uid) for name, uid in active],
        "lastScheduledTime": None,
        "conditions": _conditions(state),
        "succeeded": state.succeeded,
        "failed": state.failed,
        "phase": "Stopped" if state.stopped else "Active",
    }
    if state.last_scheduled is not None:
        status["lastScheduledTime"] = rfc3339(datetime.fromtimestamp(state.last_scheduled, UTC))
    return {**entry.manifest, "metadata": metadata, "spec": spec, "status": status}


def _reference(namespace: str, name: str, uid: str) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "namespace": namespace, "name": name, "uid": uid,
    }  # fmt: skip


def _conditions(state: CronState) -> list[Json]:
    found = (("SpecError", state.spec_error), ("SubmissionError", state.submission_error))
    return [{"type": type, "status": "True", "message": text} for type, text in found if text]
