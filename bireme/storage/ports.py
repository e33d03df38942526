"""What a database must do for us. Enough to implement from."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from bireme.kit.errors import BiremeError, ServiceError

T = TypeVar("T")
Row = tuple[Any, ...]


class StorageError(BiremeError):
    """A statement is wrong, or a constraint was broken."""


class UniqueViolation(StorageError):
    """A row with the same key exists already."""


class StorageUnavailable(ServiceError):
    """The disk is full or the server is away: nothing of the transaction was written; try again later."""


class CommitInDoubt(StorageUnavailable):
    """The answer to a commit was lost. The writer finds out what became of it: callers never see this."""


class Transaction(Protocol):
    """One unit of work inside the database's own writer thread. SQL uses `?` for parameters in both databases.

    A statement that fails fails its unit: later statements raise the same error, and so does the unit even if it
    caught it. Ask first, or write `ON CONFLICT`.
    """

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one statement; returns the number of rows it changed."""
        ...

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        """Run one statement for every row. `INSERT … VALUES (?, …)` is sent as few wide statements: prefer it.

        Every row begins with the values of `shared`: what is the same in all of them is handed over once.
        """
        ...

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Rows as this transaction sees them, its own writes included."""
        ...

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back on the event loop once everything written here is durable; never if it is not."""
        ...


class Database(Protocol):
    """A database with one writer. Many units of work share one commit (group commit): each is all or nothing.

    A unit is a plain function of the transaction. It runs in the writer thread, must not block on anything else and
    must not keep state outside the transaction, because a failed commit leaves no trace of it. If it raises, its own
    writes are undone, the error goes to its caller, and the other units are not touched.
    """

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`; returns once its writes are durable. Raises StorageUnavailable, or what `work` raised."""
        ...

    def submit(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        """As `write`, for callers that are not coroutines. `work` is queued on return, in the order of the calls."""
        ...

    async def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Rows of the last committed state."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        ...


class Signals(Protocol):
    """How processes on one database wake each other. A signal says only where to look: what happened is in rows.

    One may get lost while a connection is: whoever listens also looks by itself, seldom.
    """

    def tell(self, tx: Transaction, topic: str) -> None:
        """Once `tx` is durable, everybody who listens for the topic is called, in this process too."""
        ...

    def hear(self, topic: str, call: Callable[[], None]) -> None:
        """Call back on the event loop."""
        ...
