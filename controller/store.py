"""Runs and their history as rows. Functions of a Transaction write; RunReader reads what is committed."""

from collections.abc import Iterable, Sequence

import msgspec

from bireme.storage.ports import Database, Row, Transaction
from controller import archive_rows
from controller.listing import ListQuery
from controller.model import (
    Definition,
    HistoryRow,
    PhaseRow,
    RunRow,
    SleeperRow,
    Standing,
    cron_key,
)  # fmt: skip
from controller.schedule import CronState

_COLUMNS = archive_rows.COLUMNS
_INSERT = f"INSERT INTO runs ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
_APPEND = "INSERT INTO history (run, n, at, entry) VALUES (?,?,?,?)"
_PHASE = "UPDATE runs SET phase=?, live=?, status=?, started_at=?, finished_at=? WHERE uid=?"
_REST = (
    "INSERT INTO sleepers (run, n, wake_at, header) VALUES (?,?,?,?) ON CONFLICT (run) DO UPDATE"
    " SET n=excluded.n, wake_at=excluded.wake_at, header=excluded.header"
)
_STANDING = (
    "SELECT r.uid, r.namespace, s.n, s.wake_at, s.header FROM runs r LEFT JOIN sleepers s ON s.run=r.uid"
    " AND s.n = 1 + (SELECT MAX(h.n) FROM history h WHERE h.run=r.uid)"
    " WHERE r.live=1 ORDER BY r.created_at"
)
_CRON_STATE = "SELECT state FROM source_state WHERE source=?"
_ACTIVE = "SELECT name, uid FROM runs WHERE cron=? AND live=1 ORDER BY created_at"
_definitions = msgspec.json.Decoder(Definition)
_labels = msgspec.json.Decoder(dict[str, str])
encode = msgspec.json.encode


def insert(tx: Transaction, row: RunRow) -> bool:
    """Write a new run; False when its firing or its name is taken, and then nothing was written."""
    values = (
        row.uid, row.namespace, row.name, row.phase, int(row.live), row.firing, row.cron,
        encode(row.labels).decode(), row.manifest, row.status, row.created_at, row.started_at, row.finished_at,
    )  # fmt: skip
    return tx.execute(_INSERT, values) > 0


def by_firing(tx: Transaction, firing: str) -> tuple[str, str, str] | None:
    """(namespace, name, uid) of the run a firing made."""
    rows = tx.query("SELECT namespace, name, uid FROM runs WHERE firing=?", (firing,))
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def live_of(tx: Transaction, uids: Sequence[str]) -> set[str]:
    """Those of the runs that are live."""
    marks = ", ".join("?" * len(uids))
    rows = tx.query(f"SELECT uid FROM runs WHERE live=1 AND uid IN ({marks})", tuple(uids))
    return {uid for (uid,) in rows}


def firings_of(tx: Transaction, uids: Sequence[str]) -> list[str]:
    """The firings that have made the runs, as far as firings have."""
    marks = ", ".join("?" * len(uids))
    sql = f"SELECT firing FROM runs WHERE firing IS NOT NULL AND uid IN ({marks})"
    return [firing for (firing,) in tx.query(sql, tuple(uids))]


def append(tx: Transaction, entries: Iterable[HistoryRow], phases: Iterable[PhaseRow]) -> None:
    """One step of each of several runs. A run that ends is counted by its CronWorkflow in the same commit."""
    rows = [(entry.run, entry.n, entry.at, entry.entry) for entry in entries]
    if rows:
        tx.executemany(_APPEND, rows)
    for row in phases:
        set_phase(tx, row)


def set_phase(tx: Transaction, row: PhaseRow) -> None:
    values = (row.phase, int(row.live), row.status, row.started_at, row.finished_at, row.uid)
    tx.execute(_PHASE, values)
    if row.cron is not None and not row.live:
        _count(tx, row.cron, row.phase)


def rest(tx: Transaction, rows: Iterable[SleeperRow]) -> None:
    """These runs may sleep, as long as no further step of theirs is written."""
    for row in rows:
        tx.execute(_REST, (row.run, row.n, row.wake_at, row.header))


def _count(tx: Transaction, cron: str, phase: str) -> None:
    state = load_cron(tx, cron)
    if phase == "Succeeded":
        state.succeeded += 1
    else:
        state.failed += 1
    save_cron(tx, cron, state)


def delete(tx: Transaction, uid: str) -> None:
    """Forget a run and all it did."""
    tx.execute("DELETE FROM history WHERE run=?", (uid,))
    tx.execute("DELETE FROM sleepers WHERE run=?", (uid,))
    tx.execute("DELETE FROM runs WHERE uid=?", (uid,))


def load_cron(tx: Transaction, cron: str) -> CronState:
    """What is remembered of a CronWorkflow; a fresh state for one never seen."""
    return _cron_state(tx.query(_CRON_STATE, (_cron_source(cron),)))


def _cron_state(rows: list[Row]) -> CronState:
    return msgspec.json.decode(bytes(rows[0][0]), type=CronState) if rows else CronState()


def save_cron(tx: Transaction, cron: str, state: CronState) -> None:
    tx.execute(
        "INSERT INTO source_state (source, state) VALUES (?,?)"
        " ON CONFLICT (source) DO UPDATE SET state=excluded.state",
        (_cron_source(cron), encode(state)),
    )


def forget_cron(tx: Transaction, cron: str) -> None:
    tx.execute("DELETE FROM source_state WHERE source=?", (_cron_source(cron),))


def _cron_source(cron: str) -> str:
    return f"cron/{cron}"


def active_of(tx: Transaction, cron: str) -> list[tuple[str, str]]:
    """(name, uid) of the unfinished runs of a CronWorkflow, as this transaction sees them."""
    rows = tx.query(_ACTIVE, (cron,))
    return [(row[0], row[1]) for row in rows]


def definition_of(row: RunRow) -> Definition:
    """What the run is made of."""
    return _definitions.decode(row.manifest)


class RunReader:
    """Reads of runs and history, all from the last committed state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_name(self, namespace: str, name: str) -> RunRow | None:
        """The run of that name; `@latest` is the newest of the namespace."""
        if name == "@latest":
            where, params = "namespace=? ORDER BY created_at DESC LIMIT 1", (namespace,)
        else:
            where, params = "namespace=? AND name=?", (namespace, name)  # type: ignore[assignment]
        return await self._one(where, params)

    async def by_uid(self, uid: str) -> RunRow | None:
        return await self._one("uid=?", (uid,))

    async def finished_by_uid(self, uid: str) -> RunRow | None:
        """A finished run, in the list or in the archive."""
        return await self._one("uid=?", (uid,), archive_rows.FINISHED)

    async def finished_by_name(self, namespace: str, name: str) -> RunRow | None:
        """The newest finished run of that name."""
        where = "namespace=? AND name=? ORDER BY created_at DESC LIMIT 1"
        return await self._one(where, (namespace, name), archive_rows.FINISHED)

    async def archived_before(self, at: float) -> list[str]:
        """The uids that went into the archive before a moment, oldest first."""
        rows = await self._database.read(
            "SELECT uid FROM archived WHERE archived_at < ? ORDER BY archived_at", (at,)
        )
        return [row[0] for row in rows]

    async def _one(self, where: str, params: Sequence[str], table: str = "runs") -> RunRow | None:
        rows = await self._database.read(f"SELECT {_COLUMNS} FROM {table} WHERE {where}", params)
        return _run_row(rows[0]) if rows else None

    async def standing(self) -> list[Standing]:
        """Every unfinished run, oldest first."""
        return [
            Standing(
                uid=uid,
                namespace=namespace,
                sleeper=None if n is None else SleeperRow(uid, n, wake_at, bytes(header)),
            )
            for uid, namespace, n, wake_at, header in await self._database.read(_STANDING)
        ]

    async def histories(self, uids: Sequence[str]) -> dict[str, list[bytes]]:
        """The entries of each of these runs, in order."""
        if not uids:  # PostgreSQL knows no empty list
            return {}
        marks = ",".join("?" * len(uids))
        rows = await self._database.read(
            f"SELECT run, entry FROM history WHERE run IN ({marks}) ORDER BY run, n", list(uids)
        )
        found: dict[str, list[bytes]] = {}
        for run, entry in rows:
            found.setdefault(run, []).append(bytes(entry))
        return found

    async def history(self, uid: str) -> list[bytes]:
        """All entries of one run, in order."""
        rows = await self._database.read("SELECT entry FROM history WHERE run=? ORDER BY n", (uid,))
        return [bytes(row[0]) for row in rows]

    async def steps(self, uid: str) -> list[tuple[int, float, bytes]]:
        """(n, at, entry) of one run: what `explain` and time travel walk."""
        rows = await self._database.read(
            "SELECT n, at, entry FROM history WHERE run=? ORDER BY n", (uid,)
        )
        return [(row[0], row[1], bytes(row[2])) for row in rows]

    async def headings(self, query: ListQuery, table: str = "runs") -> list[Row]:
        """(uid, namespace, name, phase, labels, created, started, finished), unfinished first, then newest first."""
        where, params = _conditions(query)
        return await self._database.read(
            "SELECT uid, namespace, name, phase, labels, created_at, started_at, finished_at"
            f" FROM {table} WHERE {where} ORDER BY live DESC, COALESCE(finished_at, created_at) DESC, name",
            params,
        )

    async def rows(self, uids: Sequence[str], table: str = "runs") -> list[RunRow]:
        """Those runs, in the order asked."""
        found: dict[str, RunRow] = {}
        for start in range(0, len(uids), 500):
            part = uids[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = await self._database.read(
                f"SELECT {_COLUMNS} FROM {table} WHERE uid IN ({marks})", list(part)
            )
            found.update((row[0], _run_row(row)) for row in rows)
        return [found[uid] for uid in uids if uid in found]

    async def unbegun(self) -> list[Standing]:
        """The live runs without any history, in the order of birth."""
        rows = await self._database.read(
            "SELECT uid, namespace FROM runs WHERE live=1 AND phase='Pending' AND NOT EXISTS"
            " (SELECT 1 FROM history WHERE history.run = runs.uid) ORDER BY created_at, uid"
        )
        return [Standing(uid=uid, namespace=namespace, sleeper=None) for uid, namespace in rows]

    async def successes(self, most: int) -> list[tuple[str, dict[str, str], float]]:
        """(namespace, labels, seconds) of the newest runs that succeeded, oldest first."""
        rows = await self._database.read(
            "SELECT namespace, labels, finished_at - started_at FROM runs"
            " WHERE live=0 AND phase='Succeeded' ORDER BY finished_at DESC LIMIT ?",
            (most,),
        )
        return [(row[0], labels_in(row[1]), row[2]) for row in reversed(rows)]

    async def finished(self) -> list[tuple[str, str]]:
        """(uid, phase) of every finished run, newest first."""
        rows = await self._database.read(
            "SELECT uid, phase FROM runs WHERE live=0 ORDER BY finished_at DESC, uid"
        )
        return [(row[0], row[1]) for row in rows]

    async def finished_of(self, namespace: str, name: str) -> list[tuple[str, str]]:
        """(uid, phase) of the finished runs of a CronWorkflow, newest first."""
        rows = await self._database.read(
            "SELECT uid, phase FROM runs WHERE cron=? AND live=0 ORDER BY finished_at DESC, uid",
            (cron_key(namespace, name),),
        )
        return [(row[0], row[1]) for row in rows]

    async def cron(self, cron: str) -> tuple[CronState, list[tuple[str, str]]]:
        """What is remembered of a CronWorkflow, and (name, uid) of its unfinished runs."""
        state = _cron_state(await self._database.read(_CRON_STATE, (_cron_source(cron),)))
        rows = await self._database.read(_ACTIVE, (cron,))
        return state, [(row[0], row[1]) for row in rows]

    async def mortal(self, after: str, count: int) -> tuple[list[RunRow], str]:
        """Of the next `count` finished runs, those that speak of a `ttlStrategy`; and where to go on ("": end)."""
        rows = await self._database.read(
            f"SELECT {_COLUMNS} FROM runs WHERE live=0 AND uid > ? ORDER BY uid LIMIT ?",
            (after, count),
        )
        found = [_run_row(row) for row in rows if b"ttlStrategy" in bytes(row[8])]
        return found, rows[-1][0] if len(rows) == count else ""


def labels_in(text: str) -> dict[str, str]:
    """The `labels` column decoded."""
    return _labels.decode(text)


def _conditions(query: ListQuery) -> tuple[str, list[str | float]]:
    """The part of a query that the database answers; the rest is for the caller."""
    parts, params = ["1=1"], list[str | float]()
    if query.namespace and not query.namespace_filter:
        parts.append("namespace=?")
        params.append(query.namespace)
    for column, at in (
        ("started_at > ?", query.min_started_at),
        ("started_at < ?", query.max_started_at),
        ("created_at > ?", query.created_after),
        ("finished_at < ?", query.finished_before),
    ):
        if at is not None:
            parts.append(column)
            params.append(at.timestamp())
    return " AND ".join(parts), params


def _run_row(row: Row) -> RunRow:
    uid, namespace, name, phase, live, firing, cron, labels, manifest, status, *times = row
    return RunRow(
        uid=uid, namespace=namespace, name=name, phase=phase, live=bool(live), firing=firing, cron=cron,
        labels=_labels.decode(labels), manifest=bytes(manifest), status=bytes(status),
        created_at=times[0], started_at=times[1], finished_at=times[2],
    )  # fmt: skip
