"""The log in our own database: one commit for many publishers and for what their events cause."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta

import msgspec

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.storage.ports import Database, Transaction
from events import store
from events.model import Event
from events.ports import Also
from events.registry import buses

Pipeline = Callable[[Transaction, Sequence[Event]], None]
Ahead = Callable[[Sequence[Event]], AbstractAsyncContextManager[None]]


def nothing_ahead(events: Sequence[Event]) -> AbstractAsyncContextManager[None]:
    """For a pipeline without such work."""
    return nullcontext()


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long events stay: at most `age`, at most `count` of them. Delivery ids are remembered for `dedup`."""

    age: timedelta = timedelta(days=7)
    count: int = 1_000_000
    dedup: timedelta = timedelta(days=1)
    every: timedelta = timedelta(minutes=10)


class _Publication:
    """One call of `publish`, on its way through the writer thread."""

    __slots__ = ("accepted", "also", "at", "events", "future")

    def __init__(
        self,
        events: Sequence[Event],
        at: datetime,
        future: "asyncio.Future[Sequence[Event]]",
        also: Also | None,
    ) -> None:
        self.events = events
        self.at = at
        self.future = future
        self.also = also
        self.accepted: Sequence[Event] = ()


@buses.register("sqlite")
class SqliteBus:
    """Durable on return of `publish`; whoever publishes at the same time shares one unit of work and its commit.

    `pipeline` gets the really new events inside the same transaction. When it raises, nobody else suffers: the
    publications of that unit are tried again one by one, and only the one at fault gets the error. What `ahead` gives
    for the events is open around their publication: room for work of the pipeline that takes long. `pass_over` is run
    before retention looks at the cursors: it moves those of consumers that have nothing left to see.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        pipeline: Pipeline | None = None,
        retention: Retention | None = None,
        pass_over: Callable[[Transaction], None] | None = None,
        ahead: Ahead = nothing_ahead,
    ) -> None:
        self._database = database
        self._clock = clock
        self._pipeline = pipeline
        self._retention = retention or Retention()
        self._pass_over = pass_over
        self._ahead = ahead
        # A deque, because both threads use it: publishers append on the loop, the writer thread takes from the left.
        self._waiting: deque[_Publication] = deque()
        self._flush_is_queued = False
        self._arrival = asyncio.Event()
        self.published = 0
        self.duplicates = 0

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        async with self._ahead(events):
            return await self._publish(events, also)

    def _publish(
        self, events: Sequence[Event], also: Also | None
    ) -> "asyncio.Future[Sequence[Event]]":
        future: asyncio.Future[Sequence[Event]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Publication(events, self._clock.now(), future, also))
        if not self._flush_is_queued:
            self._flush_is_queued = True
            self._flush()
        return future

    def _flush(self) -> None:
        """Queue one unit that takes along everything published until the writer thread comes to it."""
        taken: list[_Publication] = []
        has_run = False

        def work(tx: Transaction) -> None:
            nonlocal has_run
            has_run = True
            # First the flag, then the queue: who publishes in between queues one flush too many, never one too few.
            self._flush_is_queued = False
            while self._waiting:
                taken.append(self._waiting.popleft())
            self._append(tx, taken)

        def done(unit: "asyncio.Future[None]") -> None:
            error = unit.exception()
            if error is not None and not has_run:
                self._refuse_waiting(error)
            self._settle(taken, error)

        try:
            self._database.submit(work).add_done_callback(done)
        except ServiceError as error:
            self._refuse_waiting(error)

    def _refuse_waiting(self, error: BaseException) -> None:
        """The unit that was to take them along never began: the next publication queues another one."""
        self._flush_is_queued = False
        refused = [*self._waiting]
        self._waiting.clear()
        self._settle(refused, error)

    def _append(self, tx: Transaction, taken: Sequence[_Publication]) -> None:
        if not taken:
            return
        window_s = self._retention.dedup.total_seconds()
        events = [event for publication in taken for event in publication.events]
        accepted, new = store.append(tx, events, taken[-1].at, window_s)
        start = 0
        for publication in taken:
            end = start + len(publication.events)
            publication.accepted = accepted[start:end]
            start = end
            if publication.also is not None:
                publication.also(tx)
        if new and self._pipeline is not None:
            self._pipeline(tx, new)
        tx.on_commit(lambda: self._announce(len(new), len(events)))

    def _settle(self, taken: Sequence[_Publication], error: BaseException | None) -> None:
        alone = error is None or len(taken) == 1 or isinstance(error, ServiceError)
        for publication in taken:
            if not alone:
                self._retry_alone(publication)
            elif publication.future.done():
                continue
            elif error is None:
                publication.future.set_result(publication.accepted)
            else:
                publication.future.set_exception(error)

    def _retry_alone(self, publication: _Publication) -> None:
        unit = self._database.submit(lambda tx: self._append(tx, [publication]))
        unit.add_done_callback(lambda done: self._settle([publication], done.exception()))

    def _announce(self, new: int, given: int) -> None:
        self.published += new
        self.duplicates += given - new
        if new:
            arrival, self._arrival = self._arrival, asyncio.Event()
            arrival.set()

    async def read(
        self, consumer: str, after: int, *, batch: int = 500
    ) -> AsyncIterator[Sequence[Event]]:
        """Batches in order. `consumer` says who reads; its place is kept by `store.move_cursor` in its own commits."""
        while True:
            arrival = self._arrival
            events = await store.read_after(self._database, after, batch)
            if events:
                after = events[-1].seq
                yield events
            else:
                await arrival.wait()

    async def retain(self) -> int:
        """Apply retention now; returns how many events were removed. Never takes what a cursor has not passed."""
        now = self._clock.now()
        oldest = (now - self._retention.age).timestamp()
        forget = (now - self._retention.dedup).timestamp()
        await self._database.write(lambda tx: store.trim_keys(tx, forget))
        if self._pass_over is not None:
            await self._database.write(self._pass_over)
        removed, last = 0, -1
        while last != 0:
            last = await self._database.write(
                lambda tx: store.trim(tx, older_than=oldest, most=self._retention.count, batch=500)
            )
            removed += last
        return removed

    async def run(self) -> None:
        """Apply retention again and again until cancelled."""
        while True:
            await self.retain()
            await self._clock.sleep(self._retention.every.total_seconds())
