"""The bank of sensors: called by the bus inside the publishing transaction, and working the outbox afterwards."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any

import structlog

from bireme.kit.backoff import Rng
from bireme.kit.errors import ServiceError
from bireme.lang.script import NO_SCRIPTS, Scripts
from bireme.manifests.manifest import Manifest
from bireme.storage.ports import Database, Transaction
from events import store as log_rows
from events.model import Event
from sensors import cell_store, compile, quarantine, store
from sensors.ahead import Ahead, Concerned, has_programs
from sensors.entry import Entry
from sensors.errors import BadSensor
from sensors.evaluate import concurrency
from sensors.freed import Freed
from sensors.holding import EVERYTHING, Holding
from sensors.intake import Intake, missed_by, put_off
from sensors.model import Fire, Firing
from sensors.outbox import Outbox
from sensors.prepare import prepare
from sensors.review import Review
from sensors.surroundings import Surroundings
from sensors.sweep import Policy, Sweeper
from sensors.timekeeper import Timekeeper

log = structlog.get_logger(__name__)

_ENTRIES_PER_COMMIT = 200
_MISSED_PER_COMMIT = 500
_CELLS_PER_COMMIT = 200
_PAUSE_S = 1.0
_NOTHING_AHEAD = nullcontext()

Route = tuple[str, str, str, str]


class SensorBank:
    """All sensors of a process. `apply`, `remove` and `run` belong to the event loop, `consume` to the writer thread.

    The index by (namespace, bus, source, event) holds immutable tuples: the writer thread reads it without locks, and
    an event costs only what its matches cost.
    """

    def __init__(
        self,
        database: Database,
        surroundings: Surroundings,
        *,
        rng: Rng | None = None,
        scripts: Scripts = NO_SCRIPTS,
        keep: Policy | None = None,
        holding: Holding = EVERYTHING,
    ) -> None:
        self.database = database
        self.holding = holding
        self.clock = clock = surroundings.clock
        self.programs = Ahead(scripts)
        self._keep = keep or Policy()
        self.timekeeper = Timekeeper(database, clock, self.ring, holding)
        self._freed = Freed(surroundings.workflows)
        chance = rng or random.SystemRandom()
        self.outbox = Outbox(database, clock, surroundings, chance, self.firing_over, holding)
        self.sweeper = Sweeper(database, clock, surroundings.workflows, self._keep)
        self._entries: dict[str, Entry] = {}
        self._index: dict[Route, tuple[Entry, ...]] = {}
        self.review = Review(
            database, clock, self.outbox, self._entries, self.programs, self.timekeeper.wake
        )
        self._removed: frozenset[str] = frozenset()
        self._with_slots: set[str] = set()
        self._with_programs: set[str] = set()
        self._applied = asyncio.Event()

    def apply(self, manifest: Manifest[Any]) -> None:
        """Take a sensor in, or replace it. It sees events from its cursor on; a new one from now on."""
        self.add(manifest.raw, manifest.line)

    def add(self, raw: Mapping[str, Any], line: Callable[[str], int] = lambda path: 0) -> None:
        """`apply` for a sensor given as plain JSON values and where its fields stand in its file."""
        entry = Entry(raw, line)
        older = self._entries.get(entry.key)
        if older is not None and older.raw == entry.raw:
            return
        if older is not None:
            entry.starts_now = older.is_settled or older.starts_now
            self._unlist(older)
        self._entries[entry.key] = entry
        if entry.has_slots:
            self._with_slots.add(entry.key)
        if has_programs(raw):
            self._with_programs.add(entry.key)
        self._removed -= {entry.key}
        for source, subject in entry.subscriptions:
            route = (entry.namespace, entry.bus, source, subject)
            self._index[route] = (*self._index.get(route, ()), entry)
        self._applied.set()

    def remove(self, namespace: str, name: str) -> None:
        """Take a sensor out. Its rows stay: applied again under the same name, it goes on where it was."""
        entry = self._entries.pop(f"{namespace}/{name}", None)
        if entry is not None:
            self._unlist(entry)
            self._removed |= {entry.key}

    def drop(self, key: str) -> None:
        """Take the sensor (`namespace/name`) out of this process: another one goes on with it."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._unlist(entry)

    def problems(self, namespace: str, name: str) -> list[str]:
        """Why the sensor, or some of its triggers, can never fire; compiles it if need be. Empty for an unknown one."""
        entry = self._entries.get(f"{namespace}/{name}")
        try:
            return [rule.broken for rule in entry.sensor.broken] if entry else []
        except Exception as error:  # noqa: BLE001 - a sensor that cannot be compiled is the answer
            return [f"{type(error).__name__}: {error}"]

    def consume(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Evaluate events that `tx` is about to publish: everything that follows from them is in the same commit."""
        intake: Intake | None = None
        for event in events if self._index else ():
            if entries := self.listeners(event):
                intake = intake or Intake(tx, self.outbox, self.clock.now(), self.programs)
                intake.take(event, entries)
        if intake is not None:
            intake.finish(self.timekeeper.wake)

    def ahead(self, events: Sequence[Event]) -> AbstractAsyncContextManager[None]:
        """To be open around the transaction that will `consume` these events: their sensors' programs have run."""
        if not self._with_programs:
            return _NOTHING_AHEAD
        asking = ((e, self._scripted(e)) for e in events)
        return self.programs.asked([(event, entries) for event, entries in asking if entries])

    def _scripted(self, event: Event) -> list[Entry]:
        return [entry for entry in self.listeners(event) if entry.key in self._with_programs]

    def listeners(self, event: Event) -> tuple[Entry, ...]:
        """The sensors that the event concerns."""
        return self._index.get((event.namespace, event.bus, event.source, event.subject), ())

    def settled(self, sensors: Iterable[str]) -> list[str]:
        """Those of the sensors that have nothing left to catch up with."""
        return [
            name for name in sensors if name in self._entries and self._entries[name].is_settled
        ]

    def run_ended(self, uid: str) -> None:
        """A run has ended, whoever made it: firings that wait for its slot start at once. Call on the event loop."""
        if self._with_slots:
            self._freed.run(uid)
            self.timekeeper.hurry()

    def firing_over(self, firing: str) -> None:
        """As `run_ended`, for a firing that has acted, died or been discarded."""
        self._freed.firing(firing)
        self.timekeeper.hurry()

    def ring(self, tx: Transaction) -> None:
        """Look at what is kept by key and whose moment has come: windows that end, gathered events, free slots."""
        now = self.clock.now()
        due = cell_store.due(tx, now.timestamp(), _CELLS_PER_COMMIT, self.holding.cells())
        self.holding.current(tx)
        freed = [place for place in self._freed.take(tx) if place[0] in self._entries]
        self.holding.check(tx, {sensor for sensor, _ in (*due, *freed)})
        intake = Intake(tx, self.outbox, now, self.programs)
        for sensor, address in dict.fromkeys([*due, *freed]):
            entry = self._entries.get(sensor)
            if entry is not None:
                intake.ring(entry, address)
        intake.finish(self.timekeeper.wake)
        put_off(tx, due, now.timestamp())
        if self._freed:
            tx.on_commit(self.timekeeper.hurry)

    def pass_over(self, tx: Transaction) -> None:
        """Before retention: sensors that have seen all of the log say so, removed ones no longer hold it.

        Failed events that nobody has tried again for `keep.age_s` are forgotten, as events are.
        """
        quarantine.trim(tx, self.clock.now().timestamp() - self._keep.age_s)
        newest = log_rows.newest(tx)
        settled = [entry.key for entry in tuple(self._entries.values()) if entry.is_settled]
        store.move(tx, [(key, newest) for key in settled])
        for key in self._removed:
            log_rows.forget_cursor(tx, store.consumer(key))

    async def run(self) -> None:
        """Catch up with what was missed, and act on firings, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._catch_up_forever())
            tasks.create_task(self.outbox.run())
            tasks.create_task(self.timekeeper.run())

    async def close(self) -> None:
        """Let go of the triggers' clients; call after `run` has ended."""
        self.programs.close()
        await self.outbox.close()

    async def catch_up(self) -> None:
        """Show every sensor what it has missed, and enrol the new ones; many sensors per commit."""
        while behind := [entry for entry in self._entries.values() if not entry.is_settled]:
            entries, missed = await self._missed(behind[:_ENTRIES_PER_COMMIT])
            async with self.programs.asked(missed):
                await self.database.write(partial(self._settle, entries=entries))

    async def redrive(self, firing_id: str) -> None:
        """Act on a dead firing again. One that could not be prepared is prepared anew, from the sensor as it is now.

        It takes a slot of its trigger's `concurrency` like any other. Raises NotFound or Conflict when there is no such
        dead firing or no slot for it, BadSensor when it still cannot be prepared.
        """
        await self.review.revive(firing_id, self._prepared)

    async def _catch_up_forever(self) -> None:
        while True:
            self._applied.clear()
            try:
                await self.catch_up()
            except ServiceError as error:
                log.warning("catch_up_waits_for_storage", error=str(error))
                await self.clock.sleep(_PAUSE_S)
                continue
            await self._applied.wait()

    async def _missed(self, entries: Sequence[Entry]) -> tuple[Sequence[Entry], Concerned]:
        """What sensors with programs have missed, as far as the next `_settle` goes, and the sensors that is to be of.

        Not all of them where much was missed: it is in memory, and nothing is durable until its programs have run.
        """
        if self._with_programs.isdisjoint(entry.key for entry in entries):
            return entries, ()
        return await self.database.write(partial(self._look, entries=entries))

    def _look(
        self, tx: Transaction, entries: Sequence[Entry]
    ) -> tuple[Sequence[Entry], list[tuple[Event, Sequence[Entry]]]]:
        found: list[tuple[Event, Sequence[Entry]]] = []
        for count, entry in enumerate(entries):
            if len(found) >= _MISSED_PER_COMMIT:
                return entries[:count], found
            if entry.key in self._with_programs and not entry.starts_now:
                position = store.position(tx, entry.key)
                missed = [] if position is None else missed_by(tx, entry, position)
                found += [(event, (entry,)) for event in missed]
        return entries, found

    def _settle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        self.holding.current(tx)
        self.holding.check(tx, [entry.key for entry in entries])
        intake = Intake(tx, self.outbox, self.clock.now(), self.programs)
        for entry in entries:
            intake.settle(entry)
        intake.finish(self.timekeeper.wake)

    def _prepared(self, firing: Firing) -> Firing:
        if firing.spec is not None:
            return firing
        entry = self._entries.get(f"{firing.namespace}/{firing.sensor}")
        rule = compile.acting_as(entry.sensor, firing.trigger) if entry else None
        if entry is None or rule is None:
            raise BadSensor(
                f"sensor {firing.namespace}/{firing.sensor} has no trigger '{firing.trigger}'"
            )
        slot = concurrency.key_of(rule, firing.events)
        fire = Fire(firing.id, rule, firing.events, slot=slot)
        made = prepare(self.outbox, entry.sensor, fire, self.clock.now().timestamp())
        if isinstance(made, Exception):
            raise BadSensor(str(made)) from made
        return made

    def _unlist(self, entry: Entry) -> None:
        self._with_slots.discard(entry.key)
        self._with_programs.discard(entry.key)
        for source, subject in entry.subscriptions:
            route = (entry.namespace, entry.bus, source, subject)
            rest = tuple(other for other in self._index.get(route, ()) if other is not entry)
            if rest:
                self._index[route] = rest
            else:
                self._index.pop(route, None)
