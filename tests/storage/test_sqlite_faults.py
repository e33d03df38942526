"""SQLite when the disk is full, and the lock on its file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bireme.storage.open import open_database
from bireme.storage.ports import StorageUnavailable

INSERT = "INSERT INTO source_state (source, state) VALUES (?, ?)"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_said_and_writing_resumes_when_there_is_space(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    database = await open_database(small_disk / "b.db")
    await database.write(lambda tx: tx.execute(INSERT, ("before", b"x")))
    free = os.statvfs(small_disk)
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 65536))
    with pytest.raises(StorageUnavailable):
        await database.write(lambda tx: tx.execute(INSERT, ("too much", bytes(500_000))))
    assert await database.read("SELECT source FROM source_state") == [("before",)]
    ballast.unlink()
    await database.write(lambda tx: tx.execute(INSERT, ("after", bytes(500_000))))
    assert await database.read("SELECT source FROM source_state ORDER BY source") == [
        ("after",),
        ("before",),
    ]
    await database.close()


async def test_a_full_database_fails_its_units_and_recovers(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "b.db")
    (pages,) = (await database.read("PRAGMA page_count"))[0]
    await database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {pages + 5}"))
    with pytest.raises(StorageUnavailable, match="full"):
        await database.write(lambda tx: tx.execute(INSERT, ("s", bytes(100_000))))
    await database.write(lambda tx: tx.query("PRAGMA max_page_count = 100000"))
    await database.write(lambda tx: tx.execute(INSERT, ("s", bytes(100_000))))
    assert await database.read("SELECT length(state) FROM source_state") == [(100_000,)]
    await database.close()


async def test_a_file_held_by_another_process_is_refused_with_its_pid(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    script = (
        "import asyncio, sys\n"
        "from bireme.storage.open import open_database\n"
        "async def main():\n"
        f"    database = await open_database({str(path)!r})\n"
        "    print('open', flush=True); sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    with _child(script) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Exception, match=f"in use by the process with pid {holder.pid}"):
            await open_database(path)
        holder.kill()
    database = await open_database(path)  # the dead hold nothing
    await database.close()


async def test_the_database_is_fully_durable(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "b.db")
    modes = await database.write(
        lambda tx: [tx.query("PRAGMA journal_mode")[0][0], tx.query("PRAGMA synchronous")[0][0]]
    )
    assert modes == ["wal", 2]
    await database.close()


async def test_a_path_that_is_a_file_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "not-a-database").write_bytes(b"something else entirely" * 100)
    with pytest.raises(Exception, match="not a database"):
        await open_database(tmp_path / "not-a-database")


def _child(script: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", script]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
