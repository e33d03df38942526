"""The log in memory: for tests of what stands on a bus. Nothing survives the process."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from bireme.kit.clock import Clock
from events.model import Event
from events.ports import Also
from events.registry import buses
from events.store import dedup_key


@buses.register("memory")
class MemoryBus:
    """Keeps what it is given, in order; remembers every delivery id for ever. It has no rows for `also` to write."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log: list[Event] = []
        self._first: dict[str, Event] = {}
        self._arrival = asyncio.Event()

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        accepted = [self._accept(event) for event in events]
        arrival, self._arrival = self._arrival, asyncio.Event()
        arrival.set()
        return accepted

    def _accept(self, event: Event) -> Event:
        key = dedup_key(event)
        if key and key in self._first:
            return self._first[key]
        kept = msgspec.structs.replace(event, seq=len(self._log) + 1, received_at=self._clock.now())
        self._log.append(kept)
        if key:
            self._first[key] = kept
        return kept

    async def read(
        self, consumer: str, after: int, *, batch: int = 500
    ) -> AsyncIterator[Sequence[Event]]:
        while True:
            arrival = self._arrival
            if events := self._log[after : after + batch]:
                after = events[-1].seq
                yield events
            else:
                await arrival.wait()
