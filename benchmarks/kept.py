"""What the log of an engine has, read beside the engine: asking the engine itself would be part of what is measured."""

import sqlite3
from contextlib import closing

from benchmarks.engine import Engine


def count(engine: Engine) -> int:
    """How many events there are."""
    with closing(_open(engine)) as database:
        return int(database.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def times(engine: Engine) -> list[float]:
    """When each was taken in, in the log's order, in seconds of the clock."""
    with closing(_open(engine)) as database:
        rows = database.execute("SELECT received_at FROM events ORDER BY seq").fetchall()
    return [float(row[0]) for row in rows]


def _open(engine: Engine) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{engine.data / 'bireme.db'}?mode=ro", uri=True)
