"""What only a server can do: go away and come back."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bireme.kit.clock import FixedClock
from bireme.kit.errors import UserError
from bireme.storage.lock import DatabaseInUse
from bireme.storage.open import join_database, open_database
from bireme.storage.ports import Database, StorageError, StorageUnavailable, Transaction
from events.buses.sqlite import SqliteBus
from events.model import Event
from tests.servers.proxy import Proxy, between

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


@pytest.fixture
async def proxy(postgres: Any) -> AsyncIterator[Proxy]:
    if postgres is None:
        pytest.skip("no PostgreSQL: initdb was not found")
    async with between(postgres.port) as found:
        yield found


@pytest.fixture
async def distant(postgres: Any, proxy: Proxy) -> AsyncIterator[Database]:
    """A database on the other side of the proxy."""
    url = postgres.new_database().replace(f":{postgres.port}/", f":{proxy.port}/")
    opened = await open_database(url)
    yield opened
    proxy.switch("through")
    await opened.close()


async def test_a_commit_whose_answer_is_lost_is_told_as_the_success_it_was(
    distant: Database, proxy: Proxy
) -> None:
    called: list[str] = []

    def work(tx: Transaction) -> str:
        tx.execute(INSERT, ("once", 1))
        tx.on_commit(lambda: called.append("durable"))
        return "kept"

    proxy.cut_at = b"COMMIT"
    assert await distant.write(work) == "kept"
    assert called == ["durable"]
    assert await distant.read("SELECT consumer FROM cursors") == [("once",)]


async def test_a_commit_that_did_not_reach_the_server_is_told_as_a_failure(
    distant: Database, proxy: Proxy
) -> None:
    proxy.cut_at, proxy.is_handed_on = b"COMMIT", False
    with pytest.raises(StorageUnavailable, match="lost"):
        await distant.write(lambda tx: tx.execute(INSERT, ("never", 1)))
    assert await distant.read("SELECT consumer FROM cursors") == []


async def test_while_a_commit_is_in_doubt_who_comes_is_refused_and_not_kept_waiting(
    distant: Database, proxy: Proxy
) -> None:
    proxy.cut_at, before = b"COMMIT", proxy.connections
    first = distant.submit(lambda tx: _insert_and_refuse_connections(tx, proxy))
    async with asyncio.timeout(10):
        while proxy.connections == before:  # noqa: ASYNC110 (another thread connects: there is no event)
            await asyncio.sleep(0)
    with pytest.raises(StorageUnavailable):
        await distant.write(lambda tx: tx.execute(INSERT, ("second", 2)))
    assert not first.done()
    proxy.switch("through")
    await first
    assert await distant.read("SELECT consumer FROM cursors") == [("first",)]


async def test_an_engine_waits_for_its_own_lost_session_to_end_and_goes_on(
    distant: Database, proxy: Proxy
) -> None:
    """The server lets go of a session's lock some time after its connection is gone: here when the process wakes."""
    [(pid,)] = await distant.write(lambda tx: tx.query("SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    try:
        proxy.cut()
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await distant.write(lambda tx: tx.query("SELECT 1"))
    finally:
        os.kill(pid, signal.SIGCONT)
    await _once_it_is_back(distant, lambda tx: tx.execute(INSERT, ("again", 1)))
    assert await distant.read("SELECT consumer FROM cursors") == [("again",)]


async def _once_it_is_back(database: Database, work: Callable[[Transaction], object]) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(StorageUnavailable):
                await database.write(work)
                return


async def test_what_is_published_while_the_server_is_away_is_refused_and_later_it_is_taken(
    postgres: Any,
) -> None:
    if postgres is None:
        pytest.skip("no PostgreSQL: initdb was not found")
    database = await open_database(postgres.new_database())
    bus = SqliteBus(database, FixedClock())
    postgres.stop()
    try:
        for n in range(3):
            with pytest.raises(StorageUnavailable):
                await bus.publish([_event(f"lost-{n}")])
    finally:
        postgres.start()
    await bus.publish([_event("kept")])
    assert await database.read("SELECT id FROM events") == [("kept",)]
    await database.close()


def _insert_and_refuse_connections(tx: Transaction, proxy: Proxy) -> None:
    tx.execute(INSERT, ("first", 1))
    proxy.mode = "reset"  # for new connections; this one lives until its COMMIT


def _event(id: str) -> Event:
    return Event(
        id=id, namespace="default", source="hooks", subject="push", type="webhook",
        time=datetime(2026, 1, 1, tzinfo=UTC), data=b"{}",
    )  # fmt: skip


async def _cut_off(database: Any) -> None:
    """End the writer's session on the server, as a cut network does in the end."""
    [(pid,)] = await database.write(lambda tx: tx.query("SELECT pg_backend_pid()"))
    await database.read("SELECT pg_terminate_backend($1)", (pid,))
    with pytest.raises(StorageUnavailable):
        await database.write(lambda tx: tx.query("SELECT 1"))
