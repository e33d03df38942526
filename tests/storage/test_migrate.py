"""Migrations: in order, once, all or nothing."""

import pytest

from bireme.storage import dialect
from bireme.storage.migrate import Migration, migrate, migrations
from bireme.storage.ports import Database, StorageError


def words(database: Database) -> dialect.Dialect:
    return "sqlite" if "Sqlite" in type(database).__name__ else "postgres"


async def names(database: Database) -> list[str]:
    return [row[0] for row in await database.read("SELECT name FROM migrations ORDER BY n")]


async def test_a_new_database_has_every_migration_recorded(database: Database) -> None:
    assert await names(database) == [one.name for one in migrations("sqlite")]


async def test_migrating_again_changes_nothing(database: Database) -> None:
    before = await names(database)
    await migrate(database, words(database))
    assert await names(database) == before


async def test_later_migrations_are_applied_in_order(database: Database) -> None:
    later = [
        Migration(9001, "9001_a.sql", ("CREATE TABLE a (x BIGINT)",)),
        Migration(9002, "9002_b.sql", ("INSERT INTO a (x) VALUES (1)",)),
    ]
    await migrate(database, words(database), [*migrations(words(database)), *later])
    assert await database.read("SELECT x FROM a") == [(1,)]


async def test_a_migration_that_landed_late_is_applied_after_newer_ones(database: Database) -> None:
    ours = migrations(words(database))
    newer = Migration(9002, "9002_b.sql", ("CREATE TABLE b (x BIGINT)",))
    late = Migration(9001, "9001_a.sql", ("CREATE TABLE a (x BIGINT)",))
    await migrate(database, words(database), [*ours, newer])
    await migrate(database, words(database), [*ours, late, newer])
    assert await database.read("SELECT x FROM a") == []


async def test_a_failing_migration_leaves_nothing_of_itself(database: Database) -> None:
    broken = Migration(9001, "9001_a.sql", ("CREATE TABLE a (x BIGINT)", "NOT SQL"))
    with pytest.raises(StorageError):
        await migrate(database, words(database), [*migrations(words(database)), broken])
    with pytest.raises(StorageError):
        await database.read("SELECT x FROM a")
    assert "9001_a.sql" not in await names(database)


async def test_a_database_of_a_newer_bireme_is_refused(database: Database) -> None:
    await database.write(
        lambda tx: tx.execute("INSERT INTO migrations (n, name) VALUES (9999, 'x')")
    )
    with pytest.raises(StorageError, match="migration 9999, which this Bireme does not know"):
        await migrate(database, words(database))


def test_placeholders_become_the_words_of_each_database() -> None:
    text = "a {int}, b {float}, c {blob}, d {serial}"
    assert "INTEGER PRIMARY KEY" in dialect.in_words_of("sqlite", text)
    assert "BIGSERIAL PRIMARY KEY" in dialect.in_words_of("postgres", text)


def test_what_rows_share_stands_once_before_them() -> None:
    wide = "INSERT INTO t SELECT * FROM (SELECT ?,?), (VALUES (?),(?))"
    assert dialect.widened("INSERT INTO t VALUES (?, ?, ?)", 2, 2) == wide
    assert dialect.widened("INSERT INTO t VALUES (?, ?) ON CONFLICT DO NOTHING", 2, 1) is None


def test_parameters_are_numbered_outside_quotes_only() -> None:
    assert dialect.numbered("SELECT '?', ? WHERE a = ?") == "SELECT '?', $1 WHERE a = $2"


@pytest.mark.parametrize(
    ("sql", "wide"),
    [
        ("INSERT INTO t VALUES (?, ?)", "INSERT INTO t VALUES (?, ?),(?, ?)"),
        ("INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING", "INSERT INTO t VALUES (?),(?) ON CONFLICT DO NOTHING"),
        ("INSERT INTO t VALUES (?, 1)", None),
        ("INSERT INTO t VALUES (?) ON CONFLICT (k) DO UPDATE SET v = ?", None),
        ("UPDATE t SET v = ?", None),
    ],
)  # fmt: skip
def test_only_plain_inserts_are_widened(sql: str, wide: str | None) -> None:
    assert dialect.widened(sql, 2) == wide
