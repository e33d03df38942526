"""Who gets which lock: pure bookkeeping over what holders ask for and let go.

The table is a view. What is held stands in the histories of the runs (`Hold`), written with the step that it allows;
after a restart `restore` makes the same table from them, and whoever waited asks again. So a lock is never lost with
the process, and never has two holders because of it.
"""

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controller.dag.model import Lock

Limit = Callable[[Lock], int]
"""How many may hold the lock now. Raises UnknownLimit."""
Order = tuple[int, float, str]


class UnknownLimit(Exception):
    """Nobody says how many may hold the lock; the message is for people."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks: a node of a run, or the run itself (no `holder`). Higher priority first, then the older run."""

    run: str
    holder: str
    priority: int = 0
    created: datetime = field(kw_only=True)

    @property
    def order(self) -> Order:
        return -self.priority, self.created.timestamp(), self.run

    @property
    def id(self) -> tuple[str, str]:
        return self.run, self.holder


@dataclass(frozen=True, slots=True)
class Answer:
    """What a claim is told: all its locks are held when every text is empty."""

    claim: Claim
    waiting: str = ""
    message: str = ""
    error: str = ""


@dataclass(slots=True)
class _Waiter:
    claim: Claim
    locks: Sequence[Lock]
    told: str = ""


class LockTable:
    """All locks of one controller. A waiter may only go ahead of none of another run: fair by order, for every lock.

    Asking and letting go only take note; `answers` decides, so that of many who ask at once the first in order wins.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._known: dict[str, int] = {}
        self._held: dict[str, set[tuple[str, str]]] = {}
        self._locks: dict[tuple[str, str], Sequence[Lock]] = {}
        self._waiters: dict[tuple[str, str], _Waiter] = {}
        self._queues: dict[str, list[tuple[Order, int, tuple[str, str]]]] = {}
        self._asked = 0
        self._touched: dict[str, None] = {}
        self._ready: dict[tuple[str, str], Answer] = {}

    def restore(self, claim: Claim, locks: Sequence[Lock]) -> None:
        """The claim held these before a restart: it holds them, whatever the limits say now."""
        self._locks[claim.id] = locks
        for lock in locks:
            self._held.setdefault(lock.identity, set()).add(claim.id)

    def ask(self, claim: Claim, locks: Sequence[Lock]) -> None:
        """The claim wants all of the locks at once. Asking again is harmless, and is answered again."""
        if claim.id in self._locks:
            self._ready[claim.id] = Answer(claim)
            return
        waiter = self._waiters.get(claim.id) or self._enqueue(claim, locks)
        waiter.told = ""
        self._touch(locks)

    def release(self, run: str, holder: str) -> None:
        """The holder lets go, or gives up waiting."""
        locks = self._locks.pop((run, holder), ())
        for lock in locks:
            self._held[lock.identity].discard((run, holder))
            if not self._held[lock.identity]:
                del self._held[lock.identity]
        self._touch(locks)
        if (waiter := self._waiters.get((run, holder))) is not None:
            self._dequeue(waiter)

    def forget(self, run: str) -> None:
        """The run is over or gone: nothing of it holds or waits."""
        for who in [who for who in (*self._locks, *self._waiters) if who[0] == run]:
            self.release(*who)

    def look_again(self) -> None:
        """Limits may have changed."""
        self._touched.update(dict.fromkeys(self._queues))

    def answers(self) -> list[Answer]:
        """Decide: who has the locks now, in order, and for whom the news has changed."""
        while self._touched:
            touched, self._touched = self._touched, {}
            for who in self._queued(touched):
                self._consider(self._waiters[who])
        found, self._ready = self._ready, {}
        return list(found.values())

    def holders(self, identity: str) -> list[tuple[str, str]]:
        """(run, holder) of everyone who holds the lock."""
        return sorted(self._held.get(identity, ()))

    # --- deciding ---

    def _consider(self, waiter: _Waiter) -> None:
        """Grant, or say what is in the way."""
        claim = waiter.claim
        try:
            taken = (self._taken(waiter, lock) for lock in waiter.locks)
            blocked = next((found for found in taken if found is not None), None)
        except UnknownLimit as error:
            self._dequeue(waiter)
            self._ready[claim.id] = Answer(claim, error=str(error))
            return
        if blocked is None:
            self._dequeue(waiter)
            self.restore(claim, waiter.locks)
            self._ready[claim.id] = Answer(claim)
        elif waiter.told != blocked[1]:
            waiter.told = blocked[1]
            self._ready[claim.id] = Answer(claim, waiting=blocked[0].name, message=blocked[1])

    def _taken(self, waiter: _Waiter, lock: Lock) -> tuple[Lock, str] | None:
        limit, held = self._limit_of(lock), len(self._held.get(lock.identity, ()))
        front = self._queues[lock.identity][0][2]
        if held < limit and front[0] == waiter.claim.run:
            return None
        if lock.key:
            return lock, f"Waiting for {lock.name} lock ({lock.key}). Lock status: {held}/{limit}"
        return lock, f"Waiting for {lock.name} lock. Lock status: {max(limit - held, 0)}/{limit}"

    def _limit_of(self, lock: Lock) -> int:
        """As Argo, a config map that cannot be read now counts as it was. A row of our own is there or is not."""
        if lock.is_mutex:
            return 1
        try:
            self._known[lock.identity] = self._limit(lock)
        except UnknownLimit:
            if lock.key or lock.identity not in self._known:
                raise
        return self._known[lock.identity]

    # --- the queues ---

    def _touch(self, locks: Iterable[Lock]) -> None:
        self._touched.update((lock.identity, None) for lock in locks)

    def _queued(self, identities: Iterable[str]) -> list[tuple[str, str]]:
        queued = {entry for identity in identities for entry in self._queues.get(identity, ())}
        return [who for _, _, who in sorted(queued)]

    def _enqueue(self, claim: Claim, locks: Sequence[Lock]) -> _Waiter:
        self._asked += 1
        waiter = self._waiters[claim.id] = _Waiter(claim, locks)
        for lock in locks:
            queue = self._queues.setdefault(lock.identity, [])
            bisect.insort(queue, (claim.order, self._asked, claim.id))
        return waiter

    def _dequeue(self, waiter: _Waiter) -> None:
        del self._waiters[waiter.claim.id]
        for lock in waiter.locks:
            queue = self._queues[lock.identity]
            queue[:] = [entry for entry in queue if entry[2] != waiter.claim.id]
            if not queue:
                del self._queues[lock.identity]
        self._touch(waiter.locks)
