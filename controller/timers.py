"""One heap of wake-ups for all runs. Wall-clock moments, kept on the event loop's timer."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime

from bireme.kit.clock import Clock

LONGEST_NAP_S = 60.0
"""The wall clock may be set forward while we sleep: look at it at least this often while anything is due."""


class Timers:
    """Each key has at most one wake-up: `ring(key)` is called once, no earlier than it. Costs nothing while empty."""

    def __init__(self, clock: Clock, ring: Callable[[str], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._heap: list[tuple[datetime, str]] = []
        self._at: dict[str, datetime] = {}
        self._handle: asyncio.TimerHandle | None = None

    def wake(self, key: str, at: datetime) -> None:
        """Ring `key` at `at`, and not at the moment that was set before."""
        if self._at.get(key) == at:
            return
        self._at[key] = at
        heapq.heappush(self._heap, (at, key))
        if self._heap[0] == (at, key):
            self._arm()

    def forget(self, key: str) -> None:
        """Do not ring `key` any more."""
        self._at.pop(key, None)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._heap.clear()
        self._at.clear()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        while self._heap and self._is_stale():
            heapq.heappop(self._heap)
        if self._heap:
            wait_s = (self._heap[0][0] - self._clock.now()).total_seconds()
            nap_s = min(max(wait_s, 0.0), LONGEST_NAP_S)
            self._handle = asyncio.get_running_loop().call_later(nap_s, self._due)

    def _is_stale(self) -> bool:
        at, key = self._heap[0]
        return self._at.get(key) != at

    def _due(self) -> None:
        now = self._clock.now()
        while self._heap and (self._is_stale() or self._heap[0][0] <= now):
            at, key = heapq.heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                self._ring(key)
        self._handle = None
        self._arm()
