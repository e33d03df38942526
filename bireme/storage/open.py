"""The one door to a database: by file path or by URL."""

from pathlib import Path

from bireme.kit.errors import UserError
from bireme.storage.ports import Database


def is_shared(place: str | Path) -> bool:
    """Whether several processes may use the database at once."""
    return str(place).startswith(("postgresql://", "postgres://"))


async def join_database(place: str) -> Database:
    """Open a database that an engine owns, as one of many. Raises StorageError before an engine has made its tables."""
    if not is_shared(place):
        raise UserError(
            "a worker needs the engine's PostgreSQL database: --database postgresql://…"
        )
    from bireme.storage.postgres import join_postgres

    return await join_postgres(place)


async def open_database(place: str | Path, *, stands_by: bool = False) -> Database:
    """Open and migrate the database at a file path, `sqlite:PATH` or `postgresql://…`.

    `stands_by` says that other engines may wait for this one's end. Raises DatabaseInUse while another engine holds
    it, MissingExtra without the driver, StorageUnavailable when it cannot be reached.
    """
    text = str(place)
    if is_shared(text):
        from bireme.storage.postgres import open_postgres

        return await open_postgres(text, stands_by=stands_by)
    from bireme.storage.sqlite import open_sqlite

    return await open_sqlite(Path(text.removeprefix("sqlite:")))
