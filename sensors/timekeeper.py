"""Waits for the next row whose moment has come, and has it looked at. The rows are the timers: none is lost."""

import asyncio
from collections.abc import Callable

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.storage.ports import Database, Transaction
from sensors import cell_store
from sensors.holding import EVERYTHING, Holding

log = structlog.get_logger(__name__)

_LONGEST_WAIT_S = 60.0
_STORAGE_PAUSE_S = 1.0


class Timekeeper:
    """`ring` looks at what is due, in one transaction. `run` until cancelled."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ring: Callable[[Transaction], None],
        holding: Holding = EVERYTHING,
    ) -> None:
        self.database = database
        self.clock = clock
        self.ring = ring
        self.holding = holding
        self._woken = asyncio.Event()
        self._is_hurried = False

    def wake(self) -> None:
        """Rows have changed: the next moment may be another. Call on the event loop."""
        self._woken.set()

    def hurry(self) -> None:
        """Look now, whatever the moments say. Call on the event loop."""
        self._is_hurried = True
        self.wake()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            await self._wait(await self._round())

    async def _round(self) -> float:
        """Ring what is due; the seconds until it is worth looking again."""
        try:
            hurried, self._is_hurried = self._is_hurried, False
            left = await self._left()
            if left > 0 and not hurried:
                return left
            await self.database.write(self.ring)
            return await self._left()
        except ServiceError as error:
            log.warning("timers_wait_for_storage", error=str(error))
            return _STORAGE_PAUSE_S

    async def _left(self) -> float:
        due = await cell_store.next_due(self.database, self.holding.cells())
        return _LONGEST_WAIT_S if due is None else due - self.clock.now().timestamp()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0.001), _LONGEST_WAIT_S)):
                await self._woken.wait()
        except TimeoutError:
            return
