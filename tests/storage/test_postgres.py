"""What only a server can do: go away and come back."""

import subprocess
import sys
from typing import Any

import pytest

from bireme.kit.errors import UserError
from bireme.storage.lock import DatabaseInUse
from bireme.storage.open import join_database, open_database
from bireme.storage.ports import StorageError, StorageUnavailable

INSERT = "INSERT INTO cursors (consumer, position) VALUES (?, ?)"


async def test_a_server_that_comes_back_is_used_again(postgres: Any) -> None:
    if postgres is None:
        pytest.skip("no PostgreSQL: initdb was not found")
    database = await open_database(postgres.new_database())
    await database.write(lambda tx: tx.execute(INSERT, ("before", 1)))
    postgres.stop()
    try:
        with pytest.raises(StorageUnavailable):
            await database.write(lambda tx: tx.execute(INSERT, ("lost", 2)))
        with pytest.raises(StorageUnavailable):
            await database.read("SELECT consumer FROM cursors")
    finally:
        postgres.start()
    await database.write(lambda tx: tx.execute(INSERT, ("after", 3)))
    rows = await database.read("SELECT consumer FROM cursors ORDER BY position")
    assert rows == [("before",), ("after",)]
    await database.close()


async def test_a_server_that_is_away_is_said_so() -> None:
    with pytest.raises(StorageUnavailable, match="PostgreSQL"):
        await open_database("postgresql://nobody@127.0.0.1:1/none")


def test_without_the_driver_the_extra_is_named() -> None:
    script = (
        "import asyncio, sys; sys.modules['asyncpg'] = None\n"
        "from bireme.storage.open import open_database\n"
        "asyncio.run(open_database('postgresql://x'))"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert b"a PostgreSQL database needs the extra 'postgres'" in ended.stderr


async def test_an_engine_that_was_away_while_another_had_the_database_writes_nothing_more(
    postgres: Any,
) -> None:
    if postgres is None:
        pytest.skip("no PostgreSQL: initdb was not found")
    url = postgres.new_database()
    first = await open_database(url, stands_by=True)
    with pytest.raises(DatabaseInUse, match="in use by another engine"):
        await open_database(url, stands_by=True)
    await _cut_off(first)
    second = await open_database(url, stands_by=True)
    with pytest.raises(DatabaseInUse, match="in use by another engine"):
        await first.write(lambda tx: tx.execute(INSERT, ("late", 1)))
    await second.close()
    with pytest.raises(DatabaseInUse, match="another engine has used"):
        await first.write(lambda tx: tx.execute(INSERT, ("late", 2)))
    assert await first.read("SELECT count(*) FROM cursors") == [(0,)]
    await first.close()


async def test_a_worker_joins_an_engine_and_not_a_database_without_tables(postgres: Any) -> None:
    if postgres is None:
        pytest.skip("no PostgreSQL: initdb was not found")
    url = postgres.new_database()
    with pytest.raises(StorageError, match="start an engine of this version first"):
        await join_database(url)
    engine = await open_database(url)
    workers = [await join_database(url) for _ in range(2)]
    for n, worker in enumerate(workers):
        await worker.write(lambda tx, n=n: tx.execute(INSERT, (f"worker {n}", n)))
    assert await engine.read("SELECT count(*) FROM cursors") == [(2,)]
    for database in (*workers, engine):
        await database.close()


async def test_a_worker_needs_a_database_that_processes_can_share() -> None:
    with pytest.raises(UserError, match="postgresql://"):
        await join_database("bireme.db")


async def _cut_off(database: Any) -> None:
    """End the writer's session on the server, as a cut network does in the end."""
    [(pid,)] = await database.write(lambda tx: tx.query("SELECT pg_backend_pid()"))
    await database.read("SELECT pg_terminate_backend($1)", (pid,))
    with pytest.raises(StorageUnavailable):
        await database.write(lambda tx: tx.query("SELECT 1"))
