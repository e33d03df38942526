"""The one door to a database: by file path or by URL."""

from pathlib import Path

from bireme.storage.ports import Database


async def open_database(place: str | Path) -> Database:
    """Open and migrate the database at a file path, `sqlite:PATH` or `postgresql://…`.

    Raises DatabaseInUse while another engine holds it, MissingExtra without the driver, StorageUnavailable when it
    cannot be reached.
    """
    text = str(place)
    if text.startswith(("postgresql://", "postgres://")):
        from bireme.storage.postgres import open_postgres

        return await open_postgres(text)
    from bireme.storage.sqlite import open_sqlite

    return await open_sqlite(Path(text.removeprefix("sqlite:")))
