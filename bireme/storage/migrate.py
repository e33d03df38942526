"""Numbered SQL files, applied in order, each in a transaction of its own, each recorded."""

from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

from bireme.storage import dialect
from bireme.storage.ports import Database, StorageError, Transaction

_LEDGER = "CREATE TABLE IF NOT EXISTS migrations (n {int} PRIMARY KEY, name TEXT NOT NULL)"


class Migration(NamedTuple):
    number: int
    name: str
    statements: tuple[str, ...]


def migrations(words: dialect.Dialect) -> list[Migration]:
    """Our migrations in order, in the words of the database."""
    folder = resources.files("bireme.storage") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=str)
    return [
        Migration(
            int(file.name[:4]),
            file.name,
            tuple(_statements(dialect.in_words_of(words, file.read_text(encoding="utf-8")))),
        )
        for file in files
    ]


async def migrate(
    database: Database, words: dialect.Dialect, known: list[Migration] | None = None
) -> None:
    """Bring the tables up to date: what is missing is applied, in order, whatever came after it.

    Raises StorageError when a newer Bireme has been here.
    """
    known = migrations(words) if known is None else known
    ledger = dialect.in_words_of(words, _LEDGER)
    applied = await database.write(lambda tx: _applied(tx, ledger))
    if unknown := applied - {migration.number for migration in known}:
        raise StorageError(
            f"the database is at migration {max(unknown)}, which this Bireme does not know: "
            "use the newer Bireme, or a copy of the data from before the upgrade"
        )
    for migration in known:
        if migration.number not in applied:
            await _apply(database, migration)


async def check_migrated(database: Database, words: dialect.Dialect) -> None:
    """Raises StorageError unless the tables are exactly those of this Bireme."""
    wanted = {migration.number for migration in migrations(words)}
    try:
        applied = {int(number) for (number,) in await database.read("SELECT n FROM migrations")}
    except StorageError:
        applied = set()
    if applied != wanted:
        raise StorageError(
            f"the database is at migration {max(applied, default=0)}, this Bireme at {max(wanted)}: "
            "start an engine of this version first"
        )


def _applied(tx: Transaction, ledger: str) -> set[int]:
    tx.execute(ledger)
    return {int(number) for (number,) in tx.query("SELECT n FROM migrations")}


async def _apply(database: Database, migration: Migration) -> None:
    def work(tx: Transaction) -> None:
        for statement in migration.statements:
            tx.execute(statement)
        tx.execute(
            "INSERT INTO migrations (n, name) VALUES (?, ?)", (migration.number, migration.name)
        )

    await database.write(work)


def _statements(text: str) -> Iterator[str]:
    """A statement ends with a semicolon at the end of a line; a line of comment begins with two dashes."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("--") or not line.strip():
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines).rstrip(" ;")
            lines = []
    if lines:
        raise StorageError(f"the last statement of a migration has no semicolon: {lines[0]}")
