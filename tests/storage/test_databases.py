"""What every database does, one suite over SQLite and PostgreSQL."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bireme.kit.errors import Conflict
from bireme.storage.open import open_database
from bireme.storage.ports import (
    Database,
    StorageError,
    StorageUnavailable,
    Transaction,
    UniqueViolation,
)

INSERT = "INSERT INTO t (k, v) VALUES (?, ?)"


def inserting(key: int) -> Callable[[Transaction], int]:
    return lambda tx: tx.execute(INSERT, (key, "x"))


async def keys(database: Database) -> list[int]:
    return [row[0] for row in await database.read("SELECT k FROM t ORDER BY k")]


async def test_what_write_returned_for_is_there_for_every_reader(database: Database) -> None:
    changed = await database.write(lambda tx: tx.execute(INSERT, (1, "a")))
    assert changed == 1
    assert await database.read("SELECT k, v FROM t WHERE v = ?", ("a",)) == [(1, "a")]


async def test_units_run_in_the_order_they_were_submitted(database: Database) -> None:
    ran: list[int] = []
    await asyncio.gather(*(database.submit(lambda tx, n=n: ran.append(n)) for n in range(200)))
    assert ran == list(range(200))


async def test_a_unit_sees_its_own_writes(database: Database) -> None:
    def work(tx: Transaction) -> list[Any]:
        tx.execute(INSERT, (1, "mine"))
        return tx.query("SELECT v FROM t")

    assert await database.write(work) == [("mine",)]


async def test_a_failing_unit_is_undone_alone(database: Database) -> None:
    """All units are queued before the writer sees the first: they share a transaction."""
    gate = threading.Event()
    blocked = database.submit(lambda tx: gate.wait(5))

    def fail(tx: Transaction) -> None:
        tx.execute(INSERT, (2, "undone"))
        raise LookupError("the unit's own fault")

    units: list[asyncio.Future[Any]] = [
        database.submit(lambda tx: tx.execute(INSERT, (1, "kept"))),
        database.submit(fail),
        database.submit(lambda tx: tx.execute(INSERT, (1, "the same key"))),
        database.submit(lambda tx: tx.execute(INSERT, (3, "kept"))),
    ]
    gate.set()
    await blocked
    results = await asyncio.gather(*units, return_exceptions=True)
    assert [type(result) for result in results] == [int, LookupError, UniqueViolation, int]
    assert await keys(database) == [1, 3]


async def test_a_unit_that_swallows_the_error_of_a_statement_fails_all_the_same(
    database: Database,
) -> None:
    def swallow(tx: Transaction) -> None:
        tx.execute(INSERT, (1, "x"))
        with pytest.raises(UniqueViolation):
            tx.execute(INSERT, (1, "x"))
        with pytest.raises(UniqueViolation):
            tx.execute(INSERT, (2, "x"))

    with pytest.raises(UniqueViolation):
        await database.write(swallow)
    assert await keys(database) == []


async def test_on_commit_is_called_on_the_loop_before_the_writer_is_answered(
    database: Database,
) -> None:
    called: list[str] = []

    def work(tx: Transaction) -> None:
        tx.execute(INSERT, (1, "x"))
        tx.on_commit(lambda: called.append(threading.current_thread().name))

    await database.write(work)
    assert called == [threading.current_thread().name]


async def test_on_commit_is_not_called_for_a_failed_unit(database: Database) -> None:
    called: list[int] = []

    def work(tx: Transaction) -> None:
        tx.on_commit(lambda: called.append(1))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert called == []


async def test_a_broken_callback_hides_nothing(database: Database) -> None:
    called: list[int] = []

    def work(tx: Transaction) -> None:
        tx.on_commit(lambda: called[7])  # type: ignore[arg-type]
        tx.on_commit(lambda: called.append(1))

    await database.write(work)
    assert called == [1]


async def test_a_cancelled_writer_does_not_take_its_unit_back(database: Database) -> None:
    unit = database.submit(lambda tx: tx.execute(INSERT, (1, "x")))
    unit.cancel()
    await database.write(lambda tx: None)
    assert await keys(database) == [1]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 73, 1000])
async def test_executemany_writes_every_row(database: Database, count: int) -> None:
    rows = [(n, f"v{n}") for n in range(count)]
    await database.write(lambda tx: tx.executemany(INSERT, rows))
    assert await keys(database) == list(range(count))


@pytest.mark.parametrize("count", [0, 1, 8, 73, 1400])
async def test_what_rows_share_is_handed_over_once_and_in_every_row(
    database: Database, count: int
) -> None:
    sql = "INSERT INTO t (v, k) VALUES (?, ?)"
    rows = [(n,) for n in range(count)]
    await database.write(lambda tx: tx.executemany(sql, rows, ("same",)))
    found = await database.read("SELECT v, k FROM t ORDER BY k")
    assert found == [("same", n) for n in range(count)]


async def test_what_rows_share_reaches_statements_that_cannot_be_widened(
    database: Database,
) -> None:
    await database.write(lambda tx: tx.executemany(INSERT, [(1, "a"), (2, "b")]))
    update = "UPDATE t SET v = ? WHERE k = ?"
    await database.write(lambda tx: tx.executemany(update, [(1,), (2,)], ("c",)))
    assert await database.read("SELECT v FROM t ORDER BY k") == [("c",), ("c",)]


async def test_executemany_takes_statements_that_cannot_be_widened(database: Database) -> None:
    await database.write(lambda tx: tx.executemany(INSERT, [(1, "a"), (2, "b")]))
    update = "UPDATE t SET v = ? WHERE k = ?"
    await database.write(lambda tx: tx.executemany(update, [("c", 1), ("d", 2)]))
    assert await database.read("SELECT v FROM t ORDER BY k") == [("c",), ("d",)]


async def test_upserts_can_be_widened(database: Database) -> None:
    sql = f"{INSERT} ON CONFLICT (k) DO UPDATE SET v = excluded.v"
    await database.write(lambda tx: tx.executemany(sql, [(1, "a"), (2, "b")]))
    await database.write(lambda tx: tx.executemany(sql, [(2, "c"), (3, "d")]))
    assert await database.read("SELECT v FROM t ORDER BY k") == [("a",), ("c",), ("d",)]


async def test_many_writers_at_once_lose_nothing(database: Database) -> None:
    async def write(start: int) -> None:
        for n in range(start, start + 10):
            await database.write(inserting(n))

    await asyncio.gather(*(write(start) for start in range(0, 400, 10)))
    assert await keys(database) == list(range(400))


async def test_big_blobs_come_back_whole(database: Database) -> None:
    blob = bytes(range(256)) * 40_000
    insert = "INSERT INTO source_state (source, state) VALUES (?, ?)"
    await database.write(lambda tx: tx.execute(insert, ("s", blob)))
    assert await database.read("SELECT state FROM source_state") == [(blob,)]


async def test_a_long_read_leaves_the_loop_free(database: Database) -> None:
    rows = [(n, "x" * 200) for n in range(20_000)]
    await database.write(lambda tx: tx.executemany(INSERT, rows))
    turns = 0
    reading = asyncio.ensure_future(database.read("SELECT k, v FROM t"))
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert len(await reading) == 20_000
    assert turns > 2


async def test_wrong_sql_is_an_error_that_names_the_database(database: Database) -> None:
    with pytest.raises(StorageError, match=r"SQLite|PostgreSQL"):
        await database.read("SELECT nonsense FROM nowhere")
    with pytest.raises(StorageError):
        await database.write(lambda tx: tx.execute("NO SQL", ()))
    assert await keys(database) == []


async def test_quotes_keep_their_question_marks(database: Database) -> None:
    await database.write(lambda tx: tx.execute("INSERT INTO t (k, v) VALUES (?, 'why?')", (1,)))
    assert await database.read("SELECT v FROM t WHERE v = 'why?' AND k = ?", (1,)) == [("why?",)]


async def test_close_finishes_what_was_accepted(place: str) -> None:
    database = await open_database(place)
    unit = database.submit(
        lambda tx: tx.execute("INSERT INTO cursors (consumer, position) VALUES ('c', 7)")
    )
    await database.close()
    assert await unit == 1
    with pytest.raises(StorageUnavailable):
        database.submit(lambda tx: None)
    again = await open_database(place)
    assert await again.read("SELECT position FROM cursors") == [(7,)]
    await again.close()


async def test_a_second_engine_is_refused_while_the_first_lives(place: str) -> None:
    first = await open_database(place)
    with pytest.raises(Conflict, match=r"in use by .*pid"):
        await open_database(place)
    await first.close()
    second = await open_database(place)
    await second.close()
