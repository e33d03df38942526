"""What only a server can do: go away and come back."""

import subprocess
import sys
from typing import Any

import pytest

from bireme.storage.open import open_database
from bireme.storage.ports import StorageUnavailable

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
