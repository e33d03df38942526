"""Live runs that are not in memory: what is known of each, and what has come in for it meanwhile.

A run sleeps while it waits for nothing but a moment or a person. Its row says how it stands and when it has to be
woken; after a restart that is all of it that is read. One without such a row was at work: it is woken by the start.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from controller.asked import Asked, answer
from controller.dag import lock_status
from controller.dag import model as dag
from controller.dag.state import Run
from controller.dag.status import summary
from controller.model import Json, SleeperRow
from controller.ports import WorkflowNotFound

SHORTEST = timedelta(seconds=60)
"""A run that goes on sooner is not worth a row."""
_HARMLESS = (dag.WakeAt, dag.Memorize)


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a sleeping run stands: what a list shows of it."""

    status: Json
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    suspended: bool = False
    shutdown: str = ""


_headers = msgspec.json.Decoder(Header)


@dataclass(slots=True, eq=False)
class Sleeper:
    """A live run that is not in memory. Without a `row` it was at work when the process before us ended."""

    uid: str
    namespace: str
    row: SleeperRow | None = None
    inbox: list[Any] = field(default_factory=list)


def read_header(row: SleeperRow) -> Header:
    """How the run stands, by its row."""
    return _headers.decode(row.header)


def row_of(live: Any, effects: Iterable[dag.Effect], now: datetime) -> SleeperRow | None:
    """What is kept of a run that may sleep after a step with these effects; None for one that is at work.

    Locks that are held and metrics in real time are known from memory alone, so such a run stays there.
    """
    run = live.run
    if live.has_metrics or not _is_long(run.index.woken, now) or not _is_idle(run):
        return None
    if not all(isinstance(effect, _HARMLESS) for effect in effects):
        return None
    header = Header(
        status=summary(run),
        labels=run.labels,
        annotations=run.annotations,
        suspended=run.suspended,
        shutdown=run.shutdown,
    )
    woken = run.index.woken
    wake_at = None if woken is None else woken.timestamp()
    return SleeperRow(live.uid, live.n, wake_at, msgspec.json.encode(header))


def _is_idle(run: Run) -> bool:
    """Whether no step of the run is under way or asked for."""
    index = run.index
    if run.phase != "Running" or index.leaves or index.gated or index.daemons:
        return False
    return next(lock_status.holders(run), None) is None


def _is_long(until: datetime | None, now: datetime) -> bool:
    return until is None or until - now >= SHORTEST


class Sleepers:
    """All runs that sleep. `on_call` is told when one of them has to be woken."""

    def __init__(self) -> None:
        self._asleep: dict[str, Sleeper] = {}
        self._called: OrderedDict[str, None] = OrderedDict()
        self._over = asyncio.Event()
        self.on_call: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._asleep)

    def __contains__(self, uid: str) -> bool:
        return uid in self._asleep

    @property
    def any_called(self) -> bool:
        return bool(self._called)

    def put(self, sleeper: Sleeper) -> None:
        """The run sleeps from now on; one that was at work has to be woken in its turn."""
        self._asleep[sleeper.uid] = sleeper
        if sleeper.row is None:
            self._called[sleeper.uid] = None

    def get(self, uid: str) -> Sleeper | None:
        return self._asleep.get(uid)

    def feed(self, uid: str, input: dag.Input | Asked) -> bool:
        """Keep what happened until the run is awake, which it shall be next; False when no such run sleeps."""
        sleeper = self._asleep.get(uid)
        if sleeper is None:
            return False
        sleeper.inbox.append(input)
        self._called[uid] = None
        self._called.move_to_end(uid, last=False)
        self.on_call()
        return True

    def next(self, count: int) -> list[str]:
        """Some of those that have to be woken, the most urgent first. They stay asleep until they are taken."""
        return [uid for uid, _ in zip(self._called, range(count), strict=False)]

    def take(self, uid: str) -> Sleeper | None:
        """The run wakes now; None when it was deleted meanwhile."""
        self._called.pop(uid, None)
        return self._asleep.pop(uid, None)

    def forget(self, uid: str) -> None:
        """The run is gone: who asked something of it is told so."""
        if (sleeper := self.take(uid)) is None:
            return
        gone = WorkflowNotFound(f"workflow {uid} is gone")
        for item in sleeper.inbox:
            if isinstance(item, Asked):
                answer(item.answer, gone)

    def told(self) -> None:
        """Some have woken: those who wait for them may look."""
        over, self._over = self._over, asyncio.Event()
        over.set()

    async def settled(self, uids: Collection[str]) -> None:
        """Returns once none of these runs is about to wake."""
        while not self._called.keys().isdisjoint(uids):
            await self._over.wait()


def wake_at(row: SleeperRow) -> datetime | None:
    """When the run has to be woken at the latest."""
    return None if row.wake_at is None else datetime.fromtimestamp(row.wake_at, UTC)
