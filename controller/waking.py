"""How runs come back to memory: those that were at work by a start, those that sleep once something touches them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database
from controller import codec, store
from controller.births import LiveRun
from controller.model import RunRow, Standing
from controller.sleepers import Sleeper, wake_at
from controller.steps import Steps
from controller.store import RunReader

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""So many runs come back before a start is over; the others follow while the engine serves."""
BATCH = 50
RETRY_S = 1.0
T = TypeVar("T")


class Runs(Protocol):
    """What the owner of all runs knows about them."""

    def revive(self, row: RunRow, entries: Sequence[bytes]) -> LiveRun:
        """The run of these rows. Whatever it raises ends the run in Error."""
        ...

    def returned(self, live: LiveRun) -> bool:
        """The run is in memory again; whether it goes on, for one that has not begun waits for its turn."""
        ...

    def sleeps_on(self, sleeper: Sleeper) -> None: ...
    def lost(self, uid: str) -> None: ...
    def all_back(self) -> None: ...


class Waking:
    """Wakes runs in batches, the most urgent first. Any run can be asked for anything from the moment it is known.

    After a start no lock is granted and no step begun before the last run that was at work is back: what it holds
    is known only then.
    """

    def __init__(
        self,
        runs: Runs,
        database: Database,
        clock: Clock,
        reader: RunReader,
        steps: Steps,
        tasks: TaskScope,
    ) -> None:
        self._runs = runs
        self._database = database
        self._clock = clock
        self._reader = reader
        self._steps = steps
        self._tasks = tasks
        self._sleepers = steps.sleepers
        self._sleepers.on_call = self._called
        self._busy = False

    async def start(self) -> int:
        """Find every live run and bring back those that were at work. How many live runs there are."""
        self._busy = True
        self._steps.pause()
        found = await self._reader.standing()
        for standing in found:
            if not self._steps.is_alive(standing.uid):
                self._put(standing)
        await self._batch(AT_ONCE)
        if self._sleepers.any_called:
            self._tasks.start("wake", self._wake())
        else:
            self._all_back()
        return len(found)

    def find(self, born: Sequence[Standing]) -> None:
        """Runs that another process has written, and that are not known yet, wake in their turn."""
        new = [standing for standing in born if not self._steps.is_alive(standing.uid)]
        for standing in new:
            self._put(standing)
        if new:
            self._called()

    def _put(self, standing: Standing) -> None:
        sleeper = Sleeper(standing.uid, standing.namespace, standing.sleeper)
        self._sleepers.put(sleeper)
        if sleeper.row is None:
            return
        self._runs.sleeps_on(sleeper)
        if (at := wake_at(sleeper.row)) is not None:
            self._steps.timers.wake(sleeper.uid, at)

    def _called(self) -> None:
        if not self._busy:
            self._busy = True
            self._tasks.start("wake", self._wake())

    async def _wake(self) -> None:
        try:
            while self._sleepers.any_called:
                await self._batch(BATCH)
                await asyncio.sleep(0)
            self._all_back()
        finally:
            self._busy = False

    def _all_back(self) -> None:
        self._busy = False
        self._steps.go_on()
        self._runs.all_back()

    async def _batch(self, count: int) -> None:
        """The next runs come back. One that cannot is left where it is until the next start, and no other with it:
        whatever was raised, the engine must not stay paused."""
        uids = self._sleepers.next(count)
        if await self._are_back(uids):
            return
        for uid in uids:
            if uid in self._sleepers and not await self._are_back([uid]):
                self._sleepers.forget(uid)
        self._sleepers.told()

    async def _are_back(self, uids: Sequence[str]) -> bool:
        try:
            await self._bring_back(uids)
        except Exception as error:
            # A boundary: what fails here is logged, and tried again run by run.
            log.error("runs_not_woken", runs=len(uids), error=str(error), exc_info=error)
            return False
        return True

    async def _bring_back(self, uids: Sequence[str]) -> None:
        if not uids:
            return
        rows = await self._patiently(lambda: self._reader.rows(uids))
        histories = await self._patiently(lambda: self._reader.histories(uids))
        # One that was found unbegun may have begun and ended since.
        alive = [row for row in rows if row.live]
        found = [await self._revive(row, histories.get(row.uid, ())) for row in alive]
        back = [live for live in found if live is not None and self._take(live)]
        for uid in uids:
            self._sleepers.forget(uid)
        await self._steps.adopt(back)
        self._sleepers.told()

    def _take(self, live: LiveRun) -> bool:
        """Whether the run is to be adopted; from here on what happens goes to the run itself."""
        sleeper = self._sleepers.take(live.uid)
        if sleeper is None:
            return False
        if self._runs.returned(live):
            live.inbox.extend(sleeper.inbox)
            return True
        for item in sleeper.inbox:
            self._steps.feed(live.uid, item)
        return False

    async def _revive(self, row: RunRow, entries: Sequence[bytes]) -> LiveRun | None:
        """One run that fails to come back ends in Error; the others are not touched."""
        try:
            return self._runs.revive(row, entries)
        except Exception as error:
            log.error("run_not_recovered", workflow=row.name, error=str(error), exc_info=error)
            broken = codec.broken_row(
                row.uid, row.cron, f"cannot be recovered: {error}", self._clock.now()
            )
            await self._patiently(
                lambda: self._database.write(lambda tx: store.set_phase(tx, broken))
            )
            self._runs.lost(row.uid)
            return None

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """As often as it takes: while the database is away nothing else goes on either."""
        while True:
            try:
                return await ask()
            except ServiceError as error:
                log.warning("runs_wait_for_database", error=str(error))
                await self._clock.sleep(RETRY_S)
