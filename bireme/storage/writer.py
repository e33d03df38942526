"""The one writer of a database: a thread that turns waiting units of work into few commits (group commit)."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import structlog

from bireme.kit.errors import BiremeError
from bireme.storage.ports import (
    CommitInDoubt,
    Row,
    StorageError,
    StorageUnavailable,
    Transaction,
)

T = TypeVar("T")
log = structlog.get_logger(__name__)

MOST_UNITS_PER_COMMIT = 512
_ASK_AGAIN_S = 0.1


class Session(Protocol):
    """A connection as the writer thread uses it; every call comes from that thread.

    Raises StorageUnavailable when the whole transaction is lost, StorageError when one statement is; `rollback` and
    `close` never raise. `commit` raises CommitInDoubt when only its answer was lost; `was_kept` then tells what became
    of it, or raises StorageUnavailable while the database cannot say.
    """

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def was_kept(self) -> bool: ...
    def rollback(self) -> None: ...
    def save(self) -> None: ...
    def release(self) -> None: ...
    def undo(self) -> None: ...
    def execute(self, sql: str, params: Sequence[Any]) -> int: ...
    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None: ...
    def query(self, sql: str, params: Sequence[Any]) -> list[Row]: ...
    def close(self) -> None: ...


class _Unit(Generic[T]):
    """One unit of work, what came of it and whom to tell."""

    __slots__ = ("callbacks", "error", "future", "result", "work")

    def __init__(self, work: Callable[[Transaction], T], future: "asyncio.Future[T]") -> None:
        self.work = work
        self.future = future
        self.callbacks: list[Callable[[], None]] = []
        self.result: T
        self.error: Exception | None = None


class _UnitTransaction:
    """The transaction as one unit sees it: a savepoint, taken at its first statement, unless it is alone in it."""

    __slots__ = ("_broken", "_is_alone", "_saved", "_session", "on_commit")

    def __init__(
        self, session: Session, callbacks: list[Callable[[], None]], *, is_alone: bool
    ) -> None:
        self._session = session
        self._is_alone = is_alone
        self._saved = False
        self._broken: BiremeError | None = None
        self.on_commit = callbacks.append

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._run(self._session.execute, sql, params)

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        if rows:
            self._run(partial(self._session.executemany, shared=shared), sql, rows)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._run(self._session.query, sql, params)

    def _run(self, run: Callable[[str, Any], T], sql: str, values: Any) -> T:
        if self._broken is not None:
            raise self._broken
        if not (self._saved or self._is_alone):
            self._session.save()
            self._saved = True
        try:
            return run(sql, values)
        except (StorageError, StorageUnavailable) as error:
            self._broken = error
            raise

    def keep(self) -> None:
        """Make the unit part of the transaction. Raises the error of a statement that the unit swallowed."""
        if self._broken is not None:
            raise self._broken
        if self._saved:
            self._session.release()

    def undo(self) -> None:
        if self._saved:
            self._session.undo()


class Writer:
    """Runs units in order, many per commit. Futures and callbacks are served on the loop, once per commit."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Unit[Any] | None] = queue.SimpleQueue()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"writer {name}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        if self._closing.is_set():
            raise StorageUnavailable("the database is closed")
        unit = _Unit(work, self._loop.create_future())
        self._waiting.put(unit)
        return unit.future

    async def close(self) -> None:
        """Commit what was accepted, then end the thread. Closing twice is closing once."""
        if not self._closing.is_set():
            self._closing.set()
            self._waiting.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            self._commit(group)
            self._loop.call_soon_threadsafe(_deliver, group)
        self._session.close()
        self._loop.call_soon_threadsafe(_end, self._ended)

    def _next_group(self) -> list[_Unit[Any]] | None:
        """All units that wait, at least one; None once closing and everything before it was served."""
        first = self._waiting.get()
        if first is None:
            return None
        group = [first]
        while len(group) < MOST_UNITS_PER_COMMIT and not self._waiting.empty():
            unit = self._waiting.get()
            if unit is None:
                self._waiting.put(None)
                break
            group.append(unit)
        return group

    def _commit(self, group: list[_Unit[Any]]) -> None:
        # What undoes a unit that is alone undoes the transaction: a savepoint would cost it a copy of every page.
        is_alone = len(group) == 1
        try:
            self._session.begin()
            for unit in group:
                self._attempt(unit, is_alone=is_alone)
            if is_alone and group[0].error is not None:
                self._session.rollback()
            else:
                self._session.commit()
        except CommitInDoubt:
            self._session.rollback()
            self._settle(group)
        except Exception as error:  # noqa: BLE001 (the thread must survive whatever a database does)
            self._session.rollback()
            _lose(group, error)

    def _settle(self, group: list[_Unit[Any]]) -> None:
        """Ask until the database says whether it kept the group: told wrongly, its callers would do everything twice.

        Who comes meanwhile is refused instead of waiting too. Closing ends the asking; the rows tell the next start.
        """
        while True:
            try:
                if not self._session.was_kept():
                    _lose(group, StorageUnavailable("the commit was lost with the connection"))
                return
            except StorageUnavailable as error:
                self._session.rollback()
                if self._closing.wait(_ASK_AGAIN_S):
                    _lose(group, error)
                    return
                self._refuse_waiting(error)
            except Exception as error:  # noqa: BLE001 (another engine may have the database now)
                _lose(group, error)
                return

    def _refuse_waiting(self, error: StorageUnavailable) -> None:
        if not (self._closing.is_set() or self._waiting.empty()):
            refused = self._next_group()
            if refused is None:  # the end has been asked for: leave that to `_run`
                return self._waiting.put(None)
            _lose(refused, error)
            self._loop.call_soon_threadsafe(_deliver, refused)
        return None

    def _attempt(self, unit: _Unit[Any], *, is_alone: bool) -> None:
        """Run one unit. A fault of its own is its own; a fault of the database ends the group."""
        transaction = _UnitTransaction(self._session, unit.callbacks, is_alone=is_alone)
        try:
            unit.result = unit.work(transaction)
            transaction.keep()
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 (another unit's error must not reach this unit's neighbours)
            unit.error = error
            transaction.undo()


def _lose(group: list[_Unit[Any]], error: Exception) -> None:
    lost = error if isinstance(error, BiremeError) else StorageUnavailable(str(error))
    for unit in group:
        unit.error = lost


def _end(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


def _deliver(group: list[_Unit[Any]]) -> None:
    """On the loop: callbacks first, so that whoever awaits a unit sees what its callbacks did."""
    for unit in group:
        if unit.error is None:
            for callback in unit.callbacks:
                _call(callback)
        if unit.future.done():
            continue
        if unit.error is None:
            unit.future.set_result(unit.result)
        else:
            unit.future.set_exception(unit.error)


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except (
        Exception
    ) as error:  # the rows are durable: one bad callback must not hide that from the others
        log.exception("commit_callback_failed", error=str(error))
