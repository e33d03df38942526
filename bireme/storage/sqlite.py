"""SQLite as the database: WAL, full durability, one writer thread, reads that never hold up the loop."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import apsw

from bireme.storage import dialect
from bireme.storage.lock import FileLock
from bireme.storage.migrate import migrate
from bireme.storage.ports import (
    Row,
    StorageError,
    StorageUnavailable,
    Transaction,
    UniqueViolation,
)
from bireme.storage.writer import Writer

T = TypeVar("T")

# A read within this many steps of SQLite's machine (well under a millisecond) runs on the loop: a thread hop would
# cost more than the read. A longer one is dropped there and done again in the reader thread.
QUICK_STEPS = 4000
# Wide inserts come in these heights, so that only a few statements are ever prepared. With shared values they are
# taller: the fewer statements, the seldomer the writer thread has to wait for its turn among the others. None is
# longer than the 16 KB up to which APSW keeps a statement.
_HEIGHTS = (64, 8, 1)
_TALL = (1024, 256, 64, 8, 1)
_UNIQUE = {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY}
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-8000", "temp_store=MEMORY")
_ERRORS = (apsw.Error, TypeError)  # TypeError: a parameter that SQLite has no type for
_UNAVAILABLE = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.NoMemError,
)


async def open_sqlite(path: Path) -> "SqliteDatabase":
    """Open, create if need be, and migrate. Raises DatabaseInUse while another live process holds the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = SqliteDatabase(path)
    try:
        await migrate(database, "sqlite")
    except BaseException:
        await database.close()
        raise
    return database


class SqliteDatabase:
    """A database file held by this process alone. Create it on the event loop that will use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path)
        try:
            session = SqliteSession(path)
            self._quick = _reader(path)
            self._quick.set_progress_handler(lambda: True, QUICK_STEPS)
        except BaseException:
            self._lock.release()
            raise
        self._writer = Writer(session, path.name)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"reader {path.name}")
        self._patient: apsw.Connection | None = None

    def submit(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        return self._writer.submit(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._writer.submit(work)

    async def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        try:
            return self._quick.execute(sql, params).fetchall()
        except apsw.InterruptError:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._read_long, sql, params)
        except _ERRORS as error:
            raise _translated(error) from error

    def _read_long(self, sql: str, params: Sequence[Any]) -> list[Row]:
        try:
            if self._patient is None:
                self._patient = _reader(self.path)
            return self._patient.execute(sql, params).fetchall()
        except _ERRORS as error:
            raise _translated(error) from error

    async def close(self) -> None:
        # The readers close first: SQLite tidies its log up only when the last connection, the writer, goes.
        self._threads.shutdown(wait=True)
        if self._patient is not None:
            self._patient.close()
        self._quick.close()
        await self._writer.close()
        self._lock.release()


class SqliteSession:
    """The writing connection, as the writer thread drives it."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = apsw.Connection(str(path), statementcachesize=256)
            self._connection.set_busy_timeout(5000)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
        except _ERRORS as error:
            raise type(_translated(error))(f"{path} cannot be opened: {error}") from error

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE", ())

    def commit(self) -> None:
        self.execute("COMMIT", ())

    def was_kept(self) -> bool:
        return False  # a commit in the same process is never in doubt

    def rollback(self) -> None:
        # A full disk may have rolled the transaction back already.
        if self._connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._connection.execute("ROLLBACK")

    def save(self) -> None:
        self.execute("SAVEPOINT unit", ())

    def release(self) -> None:
        self.execute("RELEASE unit", ())

    def undo(self) -> None:
        self.execute("ROLLBACK TO unit", ())
        self.execute("RELEASE unit", ())

    def execute(self, sql: str, params: Sequence[Any]) -> int:
        try:
            self._connection.execute(sql, params)
        except _ERRORS as error:
            raise _translated(error) from error
        return self._connection.changes()

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        if dialect.widened(sql, 1, len(shared)) is None:
            for row in rows:
                self.execute(sql, (*shared, *row))
            return
        for chunk in _chunks(rows, _TALL if shared else _HEIGHTS):
            wide = dialect.widened(sql, len(chunk), len(shared))
            self.execute(str(wide), [*shared, *chain.from_iterable(chunk)])

    def query(self, sql: str, params: Sequence[Any]) -> list[Row]:
        try:
            return self._connection.execute(sql, params).fetchall()
        except _ERRORS as error:
            raise _translated(error) from error

    def close(self) -> None:
        self._connection.close()


def _chunks(
    rows: Sequence[Sequence[Any]], heights: Sequence[int]
) -> Iterator[Sequence[Sequence[Any]]]:
    start = 0
    for height in heights:
        while len(rows) - start >= height:
            yield rows[start : start + height]
            start += height


def _reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=128)
    connection.set_busy_timeout(5000)
    return connection


def _translated(error: Exception) -> StorageError | StorageUnavailable:
    """SQLite's error as ours."""
    if isinstance(error, _UNAVAILABLE):
        return StorageUnavailable(f"SQLite: {error}")
    if isinstance(error, apsw.ConstraintError) and getattr(error, "extendedresult", 0) in _UNIQUE:
        return UniqueViolation(f"SQLite: {error}")
    return StorageError(f"SQLite: {error}")
