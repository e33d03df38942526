"""One of many workers: takes its share of the sensors by lease, follows the log for them, hands them on when it ends.

What it decides is fenced in the very transaction (`holding`): a worker that was thought dead and comes back commits
nothing for a sensor that has changed hands.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.storage.ports import Database, Signals, Transaction
from events import store as log_rows
from events.model import Event
from sensors import lease_store, sharing
from sensors.errors import Outdated
from sensors.holding import FIRINGS, OfAWorker
from sensors.run import SensorBank

log = structlog.get_logger(__name__)

LASTS_S = 5.0
"""How long a worker is taken for alive after it has last said so."""
EVENTS = "events"
LEASES = "leases"
_BEAT_S = 1.0
_LOOK_S = 1.0
_PAUSE_S = 0.2
_PASS_OVER_S = 60.0
_EVENTS_PER_COMMIT = 100

Line = Callable[[str], int]


class Worker:
    """`know` and `forget` follow the applied sensors; `run` until cancelled, then `leave`.

    `refresh` reads the manifests that were applied in the meantime.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bank: SensorBank,
        holding: OfAWorker,
        signals: Signals,
    ) -> None:
        self.bank = bank
        self.holding = holding
        self.position = -1
        self._database = database
        self._clock = clock
        self._signals = signals
        self._known: dict[str, tuple[Mapping[str, Any], Line]] = {}
        self._turn = asyncio.Lock()
        self._arrived = asyncio.Event()
        self._handed = asyncio.Event()
        self._passed_over = 0.0
        signals.hear(EVENTS, self._arrived.set)
        signals.hear(LEASES, self._handed.set)
        signals.hear(FIRINGS, bank.outbox.wake)
        signals.hear(FIRINGS, bank.timekeeper.wake)

    async def know(self, raw: Mapping[str, Any], line: Line) -> None:
        """The sensor is applied, or applied anew: whoever holds it goes on with it from where it is."""
        metadata = raw["metadata"]
        key = f"{metadata.get('namespace') or 'default'}/{metadata['name']}"
        async with self._turn:
            self._known[key] = (raw, line)
            if key in self.holding.epochs:
                await self._database.write(partial(self._come_to_here, sensors=[key]))
                self._drop(key)
                self.bank.add(raw, line)
        self._handed.set()

    async def forget(self, namespace: str, name: str) -> None:
        """The sensor is gone."""
        async with self._turn:
            self._known.pop(f"{namespace}/{name}", None)
            self._drop(f"{namespace}/{name}")

    async def run(self, refresh: Callable[[], Any]) -> None:
        """Share, follow, act, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat_forever())
            tasks.create_task(self._follow_forever(refresh))
            tasks.create_task(self.bank.run())

    async def leave(self) -> None:
        """Give everything back at once. Call after `run` has ended; a database that is away is left to time."""

        def work(tx: Transaction) -> None:
            self._come_to_here(tx, sensors=self.bank.settled(self.holding.epochs))
            lease_store.leave(tx, self.holding.name)
            self._signals.tell(tx, LEASES)

        with contextlib.suppress(ServiceError, TimeoutError):
            async with asyncio.timeout(LASTS_S):
                await self._database.write(work)

    async def _beat_forever(self) -> None:
        while True:
            self._handed.clear()
            try:
                await self._beat()
            except ServiceError as error:
                log.warning("worker_cannot_renew", worker=self.holding.name, error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_S):
                    await self._handed.wait()
            # Every hint of a change is followed at once, a flood of them not faster than this.
            await self._clock.sleep(_PAUSE_S / 4)

    async def _beat(self) -> None:
        async with self._turn:
            mine = await self._database.write(self._renew)
            for key in [
                key for key, epoch in self.holding.epochs.items() if mine.get(key) != epoch
            ]:
                self._drop(key)
            new = [key for key in mine if key not in self.holding.epochs]
            self.holding.epochs = mine
            for key in new:
                self.bank.add(*self._known[key])
            if new:
                self._act_on_what_was_left()
                log.info(
                    "sensors_taken", worker=self.holding.name, sensors=len(new), held=len(mine)
                )

    def _act_on_what_was_left(self) -> None:
        """Firings and timers of the sensors' last holder: nobody tells us of those that were there before."""
        self.bank.outbox.wake()
        self.bank.timekeeper.wake()

    def _renew(self, tx: Transaction) -> dict[str, int]:
        """Say that we are alive, give back and take; the leases we hold then."""
        me = self.holding.name
        if (
            self.position < 0
        ):  # before the first sensor is held: what comes later is read by `_follow`
            self.position = log_rows.newest(tx)
        lease_store.beat(tx, me, LASTS_S)
        known, busy = frozenset(self._known), self.bank.outbox.busy_sensors
        wishes = sharing.wishes(lease_store.picture(tx), me, known, busy)
        tx.on_commit(partial(self.bank.outbox.rest, frozenset(wishes.rest)))
        if wishes.give:
            self._come_to_here(tx, sensors=self.bank.settled(wishes.give))
            lease_store.give(tx, me, wishes.give)
            self._signals.tell(tx, LEASES)
        lease_store.take(tx, me, wishes.take)
        if self._clock.monotonic() - self._passed_over > _PASS_OVER_S:
            self._passed_over = self._clock.monotonic()
            self._come_to_here(tx, sensors=self.bank.settled(self.holding.epochs))
        held = lease_store.picture(tx).leases
        return {
            key: one.epoch for key, one in held.items() if one.worker == me and key in self._known
        }

    def _come_to_here(self, tx: Transaction, sensors: Sequence[str]) -> None:
        """Sensors that have seen all of the log up to our position say so; those that are further stay there."""
        lease_store.advance(tx, self.holding.name, sensors, self.position)

    def _drop(self, key: str) -> None:
        if key in self.holding.epochs:
            self.holding.epochs = {k: e for k, e in self.holding.epochs.items() if k != key}
        self.bank.drop(key)

    async def _follow_forever(self, refresh: Callable[[], Any]) -> None:
        while True:
            self._arrived.clear()
            try:
                if not await self._follow():
                    await self._wait()
            except Outdated:
                await refresh()
            except ServiceError as error:
                log.warning("worker_waits", worker=self.holding.name, error=str(error))
                self._handed.set()
                await self._clock.sleep(_PAUSE_S)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._arrived.wait()

    async def _follow(self) -> bool:
        """Take the next events of the log; False when there are none."""
        if self.position < 0:
            return False
        events = await log_rows.read_after(self._database, self.position, _EVENTS_PER_COMMIT)
        if not events:
            return False
        async with self._turn:
            ours = [event for event in events if self.bank.listeners(event)]
            if ours:
                async with self.bank.ahead(ours):
                    await self._database.write(partial(self._consume, events=ours))
            self.position = events[-1].seq
        return True

    def _consume(self, tx: Transaction, events: Sequence[Event]) -> None:
        self.holding.current(tx)
        concerned = {entry.key for event in events for entry in self.bank.listeners(event)}
        self.holding.check(tx, concerned)
        self.bank.consume(tx, events)
