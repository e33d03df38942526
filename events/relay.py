"""From a bus outside into the log: in order, once, its place moved in the very commit of the events.

A relay may be killed at any moment, and two may run by mistake: who finds that the place has moved under it gives up
its batch and reads again from there.
"""

from collections.abc import Sequence
from functools import partial

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.storage.ports import Database, Transaction
from events.model import Event
from events.ports import Bus, Overtaken

log = structlog.get_logger(__name__)

_AGAIN = Backoff(base_s=0.2, factor=2, cap_s=10)
_BEGIN = "INSERT INTO bus_positions (bus, position) VALUES (?, 0) ON CONFLICT (bus) DO NOTHING"
_MOVE = "UPDATE bus_positions SET position = ? WHERE bus = ? AND position = ?"


class Relay:
    """One outside bus, by name. `run` until cancelled; a bus that is away is read on when it is back."""

    def __init__(self, name: str, outside: Bus, log: Bus, database: Database, clock: Clock) -> None:
        self.name = name
        self.taken = 0
        self._outside = outside
        self._log = log
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        attempt = 0
        while True:
            taken = self.taken
            try:
                await self._take_in()
            except (ServiceError, Overtaken) as error:
                attempt = 1 if self.taken > taken else attempt + 1
                if attempt == 1:
                    log.warning("bus_lost", bus=self.name, error=str(error))
                await self._clock.sleep(_AGAIN.delay(attempt))

    async def _take_in(self) -> None:
        position = await self.position()
        async for events in self._outside.read(f"log of {self.name}", position):
            await self._take(events, position)
            position = events[-1].seq

    async def _take(self, events: Sequence[Event], after: int) -> None:
        await self._log.publish(events, partial(self._move, after=after, to=events[-1].seq))
        self.taken += len(events)

    async def position(self) -> int:
        """How far the log has come; 0 at the beginning."""

        def look(tx: Transaction) -> int:
            tx.execute(_BEGIN, (self.name,))
            rows = tx.query("SELECT position FROM bus_positions WHERE bus = ?", (self.name,))
            return int(rows[0][0])

        return await self._database.write(look)

    def _move(self, tx: Transaction, *, after: int, to: int) -> None:
        if not tx.execute(_MOVE, (to, self.name, after)):
            raise Overtaken(f"bus {self.name}: another relay has moved on from {after}")
