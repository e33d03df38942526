"""The reports of a backend, on their way to whoever listens."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from executor.model import Report


class Reports:
    """A queue that is emptied one by one or all at once: one turn of the loop for many steps."""

    def __init__(self) -> None:
        self._waiting: deque[Report] = deque()
        self._news = asyncio.Event()

    def put(self, report: Report) -> None:
        self._waiting.append(report)
        self._news.set()

    async def stream(self) -> AsyncIterator[Report]:
        """One by one, until cancelled."""
        while True:
            await self._some()
            yield self._waiting.popleft()

    async def batch(self) -> list[Report]:
        """All there are, waiting for the first."""
        await self._some()
        batch = list(self._waiting)
        self._waiting.clear()
        return batch

    async def _some(self) -> None:
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
