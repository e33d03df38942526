"""PostgreSQL as the database, for a fleet. Only this module imports its driver.

The writer thread runs a private event loop, so that a unit of work sees the same synchronous transaction as with
SQLite; reads go over a small pool on the caller's loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from bireme.kit.errors import BiremeError, MissingExtra
from bireme.storage import dialect
from bireme.storage.lock import DatabaseInUse
from bireme.storage.migrate import check_migrated, migrate
from bireme.storage.ports import (
    CommitInDoubt,
    Row,
    StorageError,
    StorageUnavailable,
    Transaction,
    UniqueViolation,
)
from bireme.storage.writer import Writer

try:
    import asyncpg
except ModuleNotFoundError as missing:
    raise MissingExtra("postgres", "a PostgreSQL database") from missing

T = TypeVar("T")
# A connection that is cut in the middle of an answer leaves the driver's own state in disorder: InternalClientError.
_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_CONNECT_S = 10
# Session-level advisory lock: one engine per database, released by the server when the connection ends.
_OWNER_LOCK = 0x62_6972_656D_65
# A machine that is gone says nothing: the server asks after 5 s, and lets go of its locks within 15 s.
_KEEPALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "5",
}
# An engine that hangs (it says something every second) must not hold the database for ever.
_ENGINE = {
    **_KEEPALIVE,
    "idle_in_transaction_session_timeout": "30s",
    "idle_session_timeout": "30s",
}
# A worker that hangs in a transaction must not hold its rows against those who take its sensors over.
_GUEST = {**_KEEPALIVE, "idle_in_transaction_session_timeout": "5s", "lock_timeout": "2s"}


async def open_postgres(url: str, *, stands_by: bool = False) -> "PostgresDatabase":
    """Open and migrate. Raises DatabaseInUse while another engine holds it, StorageUnavailable when it is away.

    `stands_by`: there may be others who wait for this one to end, so the server lets go of it when it hangs.
    """
    session = PostgresSession(url, _ENGINE if stands_by else _KEEPALIVE, is_alone=True)
    database = PostgresDatabase(url, session)
    try:
        await migrate(database, "postgres")
        session.term = await database.write(_new_term)
    except BaseException:
        await database.close()
        raise
    return database


async def join_postgres(url: str) -> "PostgresDatabase":
    """Open as one of many: without the engine's lock, and without changing tables.

    Raises StorageError when an engine of this version has not made its tables yet.
    """
    database = PostgresDatabase(url, PostgresSession(url, _GUEST, is_alone=False))
    try:
        await check_migrated(database, "postgres")
    except BaseException:
        await database.close()
        raise
    return database


def _new_term(tx: Transaction) -> int:
    tx.execute("UPDATE fleet SET value = value + 1 WHERE name = 'engine'")
    return int(tx.query(_TERM)[0][0])


# A process number alone may be somebody else's by now.
_MYSELF = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_SESSION = "FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
_TERM = "SELECT value FROM fleet WHERE name = 'engine'"


class PostgresDatabase:
    """One database of a server, through one writing connection. Create it on the event loop that will use it."""

    def __init__(self, url: str, session: "PostgresSession") -> None:
        self.url = url
        self._writer = Writer(session, "postgres")
        self._pool: Any = None
        self._pool_lock = asyncio.Lock()

    def submit(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        return self._writer.submit(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self._writer.submit(work)

    async def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        try:
            pool = await self._readers()
            records = await pool.fetch(dialect.numbered(sql), *params)
        except _ERRORS as error:
            raise _translated(error) from error
        return [tuple(record) for record in records]

    async def _readers(self) -> Any:
        async with self._pool_lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.url, min_size=1, max_size=4, timeout=_CONNECT_S
                )
        return self._pool

    async def close(self) -> None:
        await self._writer.close()
        if self._pool is not None:
            await self._pool.close()


class PostgresSession:
    """The writing connection, as the writer thread drives it. A lost connection is made anew by the next `begin`.

    With `is_alone` it holds the engine's lock, and raises DatabaseInUse as soon as another engine does, or has done
    since: `term` is the number of our time in office, and what we remember is of that time.
    """

    def __init__(self, url: str, settings: dict[str, str], *, is_alone: bool) -> None:
        self._url = url
        self._settings = settings
        self._is_alone = is_alone
        self.term: int | None = None
        self._runner = asyncio.Runner()
        self._connection: Any = None
        self._former: tuple[Any, ...] | None = None
        self._doubtful = 0

    def begin(self) -> None:
        self._reach()
        self._run(self._connection.execute("BEGIN"))

    def commit(self) -> None:
        number = self.query("SELECT txid_current_if_assigned()", ())[0][0]
        try:
            self._run(self._connection.execute("COMMIT"))
        except StorageUnavailable as error:
            if number is None:
                raise
            self._doubtful = number
            raise CommitInDoubt(str(error)) from error

    def was_kept(self) -> bool:
        """What became of the transaction whose COMMIT was not answered. The server knows, even after a crash."""
        self._reach()
        status = self.query("SELECT txid_status(?)", (self._doubtful,))[0][0]
        if status == "in progress":
            raise StorageUnavailable("PostgreSQL: the lost session has not ended yet")
        return bool(status == "committed")

    def _reach(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._run(self._connect())

    def rollback(self) -> None:
        """Undo everything; a connection on which even that fails is given up, which undoes it too."""
        try:
            if self._connection is not None:
                self._run(self._connection.execute("ROLLBACK"))
        except BiremeError:
            self._connection.terminate()
            self._connection = None

    def save(self) -> None:
        self._run(self._connection.execute("SAVEPOINT unit"))

    def release(self) -> None:
        self._run(self._connection.execute("RELEASE unit"))

    def undo(self) -> None:
        self._run(self._connection.execute("ROLLBACK TO unit; RELEASE unit"))

    def execute(self, sql: str, params: Sequence[Any]) -> int:
        tag = self._run(self._connection.execute(dialect.numbered(sql), *params))
        count = str(tag).rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        whole = [(*shared, *row) for row in rows] if shared else rows
        self._run(self._connection.executemany(dialect.numbered(sql), whole))

    def query(self, sql: str, params: Sequence[Any]) -> list[Row]:
        records = self._run(self._connection.fetch(dialect.numbered(sql), *params))
        return [tuple(record) for record in records]

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(BiremeError):
                self._run(self._connection.close(timeout=_CONNECT_S))
        self._runner.close()

    async def _connect(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_S, server_settings=self._settings
        )
        try:
            if self._former is not None:  # it may not know yet that nobody is there
                await connection.execute(
                    f"SELECT pg_terminate_backend(pid) {_SESSION}", *self._former
                )
            if self._is_alone:
                await self._lock(connection)
            self._former = await connection.fetchrow(_MYSELF)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection

    async def _lock(self, connection: Any) -> None:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _OWNER_LOCK):
            if self._former and await connection.fetchval(f"SELECT 1 {_SESSION}", *self._former):
                raise StorageUnavailable("PostgreSQL: the lost session has not ended yet")
            holder = await connection.fetchval(
                "SELECT max(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            )
            raise DatabaseInUse(
                f"the PostgreSQL database is in use by another engine (its server process has pid {holder}); "
                "stop that engine, or give this one another database"
            )
        if self.term is not None and await connection.fetchval(_TERM) != self.term:
            raise DatabaseInUse(
                "another engine has used the PostgreSQL database since this one lost its connection; "
                "start this one again"
            )

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._runner.run(work)
        except _ERRORS as error:
            raise _translated(error) from error


def _translated(error: Exception) -> StorageError | StorageUnavailable:
    """The driver's error as ours."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(f"PostgreSQL: {error}")
    if isinstance(error, _UNAVAILABLE) or (
        isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
    ):
        return StorageUnavailable(f"PostgreSQL: {error}")
    return StorageError(f"PostgreSQL: {error}")
