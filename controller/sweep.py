"""Forgetting finished workflows: each when its `ttlStrategy` says, and the surplus of the retention policy."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError
from controller import retention, store
from controller.model import Definition, moment
from controller.store import RunReader

log = structlog.get_logger(__name__)

SLACK_S = 1.0
"""Argo leaves a second between the moment a workflow expires and its deletion."""
NAP_S = 60.0
BATCH = 200


class Sweeper:
    """Deletes what may be forgotten. Sleeps while nothing is due; learns of old runs by reading them once."""

    def __init__(
        self,
        reader: RunReader,
        clock: Clock,
        policy: retention.Policy,
        delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._policy = policy
        self._delete = delete
        self._heap: list[tuple[datetime, str]] = []
        self._news = asyncio.Event()

    def ended(self, uid: str, definition: Definition, phase: str, at: datetime | None) -> None:
        """A run has ended: note when it may go."""
        ttl = retention.strategy(definition.manifest["spec"], definition.stored_spec)
        expires = retention.expires_at(ttl, phase, at or self._clock.now())
        if expires is not None:
            heapq.heappush(self._heap, (expires, uid))
        if expires is not None or self._policy.of(phase) is not None:
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._read_old()
        while True:
            self._news.clear()
            await self._sweep()
            await self._wait()

    async def _read_old(self) -> None:
        place = ""
        while True:
            rows, place = await self._reader.mortal(place, BATCH)
            for row in rows:
                definition = store.definition_of(row)
                self.ended(row.uid, definition, row.phase, moment(row.finished_at))
            if not place:
                return

    async def _sweep(self) -> None:
        now = self._clock.now()
        due = []
        while self._heap and (now - self._heap[0][0]).total_seconds() > SLACK_S:
            due.append(heapq.heappop(self._heap)[1])
        if self._policy != retention.Policy():
            due += retention.surplus(await self._reader.finished(), self._policy)
        for uid in due:
            try:
                await self._delete(uid)
            except BiremeError as error:
                log.warning("workflow_not_forgotten", uid=uid, error=str(error))

    async def _wait(self) -> None:
        nap_s = None
        if self._heap:
            left_s = (self._heap[0][0] - self._clock.now()).total_seconds() + SLACK_S
            nap_s = min(max(left_s + 0.01, 0.01), NAP_S)
        try:
            async with asyncio.timeout(nap_s):
                await self._news.wait()
        except TimeoutError:
            return
