"""The rows of this deck: SQL in the subset SQLite and PostgreSQL share. No decisions are taken here."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from bireme.storage.ports import Database, Row, Transaction
from events import store as log
from events.model import Event
from sensors import pages
from sensors.holding import ANY, Where
from sensors.model import Decision, Firing, FiringStatus, Receipt, TriggerState

_pack = msgspec.msgpack.Encoder().encode
_state = msgspec.msgpack.Decoder(TriggerState)
_firing = msgspec.msgpack.Decoder(Firing)
_receipt = msgspec.json.Decoder(Receipt)

# In the order of `Decision`.
_DECISION = "seq, namespace, sensor, trigger_name, dependency, outcome, reason, path, line, detail, firing, at"
_FIRING = (
    "id, namespace, sensor, trigger_name, kind, status, attempts, next_at, receipt, error, "
    "created_at, updated_at"
)
_PUT = (
    "INSERT INTO firings (id, namespace, sensor, trigger_name, kind, payload, status, attempts, next_at, "
    "receipt, error, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO NOTHING"
)


def consumer(sensor: str) -> str:
    """The name of a sensor's cursor; `sensor` is `namespace/name`."""
    return f"sensor:{sensor}"


def position(tx: Transaction, sensor: str) -> int | None:
    """The last event the sensor has seen, None when it never saw one."""
    rows = tx.query("SELECT position FROM cursors WHERE consumer = ?", (consumer(sensor),))
    return int(rows[0][0]) if rows else None


def move(tx: Transaction, positions: Iterable[tuple[str, int]]) -> None:
    tx.executemany(
        "INSERT INTO cursors (consumer, position) VALUES (?, ?) "
        "ON CONFLICT (consumer) DO UPDATE SET position = excluded.position",
        [(consumer(sensor), at) for sensor, at in positions],
    )


def states(tx: Transaction, sensor: str) -> dict[str, TriggerState]:
    """What the sensor's triggers remember, by trigger name."""
    rows = tx.query("SELECT trigger_name, state FROM sensor_state WHERE sensor = ?", (sensor,))
    return {name: _state.decode(state) for name, state in rows}


async def remembered(database: Database, sensor: str) -> dict[str, TriggerState]:
    """As `states`, as committed last."""
    rows = await database.read(
        "SELECT trigger_name, state FROM sensor_state WHERE sensor = ? ORDER BY trigger_name",
        (sensor,),
    )
    return {name: _state.decode(state) for name, state in rows}


async def counted(database: Database, namespace: str) -> list[tuple[str, str, int]]:
    """(sensor as `namespace/name`, what, how many): firings by status, failed events, keys with something waiting."""
    rows = await database.read(
        "SELECT namespace || '/' || sensor AS who, status, COUNT(*) FROM firings "
        "WHERE namespace = ? OR ? = '' GROUP BY namespace, sensor, status UNION ALL "
        "SELECT namespace || '/' || sensor, 'failed', COUNT(*) FROM quarantine "
        "WHERE namespace = ? OR ? = '' GROUP BY namespace, sensor UNION ALL "
        "SELECT sensor, 'waiting', COUNT(*) FROM sensor_cells "
        "WHERE kind IN ('join', 'coalesce') AND (sensor LIKE ? OR ? = '') GROUP BY sensor",
        (namespace, namespace, namespace, namespace, f"{namespace}/%", namespace),
    )
    return [(who, what, int(count)) for who, what, count in rows]


def keep(tx: Transaction, rows: Iterable[tuple[str, str, TriggerState]]) -> None:
    """Keep states by sensor and trigger name."""
    tx.executemany(
        "INSERT INTO sensor_state (sensor, trigger_name, state) VALUES (?, ?, ?) "
        "ON CONFLICT (sensor, trigger_name) DO UPDATE SET state = excluded.state",
        [(sensor, trigger, _pack(state)) for sensor, trigger, state in rows],
    )


def record(tx: Transaction, decisions: Iterable[Decision], worker: str = "") -> None:
    """`worker` is who decided, empty where there is only the engine."""
    rows = [*map(msgspec.structs.astuple, decisions)]
    if not worker:
        marks = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
        tx.executemany(f"INSERT INTO decisions ({_DECISION}) VALUES ({marks})", rows)
        return
    tx.executemany(
        f"INSERT INTO decisions ({_DECISION}, worker) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, worker) for row in rows],
    )


def put_firing(
    tx: Transaction,
    firing: Firing,
    next_at: float,
    now: float,
    *,
    status: FiringStatus = "pending",
    reason: str = "",
) -> bool:
    """Put a firing into the outbox; False when the same events have fired this trigger before.

    `reason` says why it is not pending.
    """
    return tx.execute(_PUT, _new_firing(firing, next_at, now, status, reason)) > 0


def put_firings(tx: Transaction, firings: Sequence[tuple[Firing, float]], now: float) -> set[str]:
    """`put_firing` for many pending ones, each with its moment; the ids of those that were there before."""
    known: set[str] = set()
    for start in range(0, len(firings), 500):
        some = [firing.id for firing, _ in firings[start : start + 500]]
        marks = ", ".join("?" * len(some))
        known.update(
            id for (id,) in tx.query(f"SELECT id FROM firings WHERE id IN ({marks})", some)
        )
    rows = [_new_firing(firing, next_at, now) for firing, next_at in firings]
    tx.executemany(_PUT, rows)
    return known


def _new_firing(
    firing: Firing, next_at: float, now: float, status: FiringStatus = "pending", reason: str = ""
) -> Row:
    return (
        firing.id, firing.namespace, firing.sensor, firing.trigger, firing.kind, _pack(firing),
        status, 0, next_at, "", reason, now, now,
    )  # fmt: skip


def mark_fired(tx: Transaction, firing: str, receipt: Receipt, attempts: int, now: float) -> None:
    tx.execute(
        "UPDATE firings SET status = 'fired', attempts = ?, receipt = ?, error = '', updated_at = ? "
        "WHERE id = ?",
        (attempts, msgspec.json.encode(receipt).decode(), now, firing),
    )


def mark_failed(
    tx: Transaction, firing: str, error: str, attempts: int, *, retry_at: float | None, now: float
) -> None:
    """Note a failed attempt; with `retry_at` the firing stays pending, without it is dead."""
    status: FiringStatus = "dead" if retry_at is None else "pending"
    tx.execute(
        "UPDATE firings SET status = ?, attempts = ?, error = ?, next_at = ?, updated_at = ? "
        "WHERE id = ?",
        (status, attempts, error, retry_at or 0.0, now, firing),
    )


def set_status(tx: Transaction, firing: str, status: FiringStatus, reason: str, now: float) -> None:
    """Move a firing that has not acted; what becomes pending is due at its own moment, at the earliest now."""
    tx.execute(
        "UPDATE firings SET status = ?, error = ?, updated_at = ?, "
        "next_at = CASE WHEN next_at < ? THEN ? ELSE next_at END WHERE id = ?",
        (status, reason, now, now, now, firing),
    )


def firing_status(tx: Transaction, firing: str) -> FiringStatus | None:
    """How a firing stands, None when there is none with that id."""
    rows = tx.query("SELECT status FROM firings WHERE id = ?", (firing,))
    return rows[0][0] if rows else None


def receipts(tx: Transaction, firings: Sequence[str]) -> dict[str, tuple[str, Receipt | None]]:
    """Status and receipt of each firing there is."""
    marks = ", ".join("?" * len(firings))
    rows = tx.query(
        f"SELECT id, status, receipt FROM firings WHERE id IN ({marks})", tuple(firings)
    )
    return {id: (status, _receipt.decode(text) if text else None) for id, status, text in rows}


def reopen(tx: Transaction, firing: Firing, status: FiringStatus, now: float) -> None:
    """Make a dead firing pending, or queued, with what it will do now."""
    tx.execute(
        "UPDATE firings SET status = ?, attempts = 0, next_at = ?, payload = ?, "
        "updated_at = ? WHERE id = ?",
        (status, now, _pack(firing), now, firing.id),
    )


def load_firing(tx: Transaction, firing: str) -> tuple[Firing, str] | None:
    """A firing and its status."""
    rows = tx.query("SELECT payload, status FROM firings WHERE id = ?", (firing,))
    return (_firing.decode(rows[0][0]), rows[0][1]) if rows else None


async def due(
    database: Database, now: float, limit: int, where: Where = ANY
) -> list[tuple[Firing, int]]:
    """Pending firings whose moment has come, oldest first, with the attempts made so far."""
    rows = await database.read(
        f"SELECT payload, attempts FROM firings WHERE status = 'pending' AND next_at <= ?{where.sql} "
        "ORDER BY next_at, created_at LIMIT ?",
        (now, *where.params, limit),
    )
    return [(_firing.decode(payload), attempts) for payload, attempts in rows]


async def next_due(database: Database, now: float, where: Where = ANY) -> float | None:
    """When the next firing that waits for its moment is due."""
    rows = await database.read(
        f"SELECT MIN(next_at) FROM firings WHERE status = 'pending' AND next_at > ?{where.sql}",
        (now, *where.params),
    )
    found: float | None = rows[0][0]
    return found


def missed(
    tx: Transaction,
    place: tuple[str, str],
    subscriptions: Iterable[tuple[str, str]],
    *,
    after: int,
    before: int,
    limit: int,
) -> list[Event]:
    """Events with `after < seq < before` that a sensor listens to, in order, at most `limit` of them.

    `place` is its namespace and its bus.
    """
    found: list[Event] = []
    namespace, bus = place
    for source, subject in subscriptions:
        rows = tx.query(
            f"SELECT {log.COLUMNS} FROM events WHERE namespace = ? AND source = ? AND subject = ? "
            "AND bus = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?",
            (namespace, source, subject, bus, after, before, limit),
        )
        found.extend(map(log.decode, rows))
    return sorted(found, key=lambda event: event.seq)[:limit]


async def decisions(
    database: Database,
    *,
    seqs: Sequence[int] = (),
    firing: str = "",
    namespace: str = "",
    sensor: str = "",
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Decisions as plain dicts, of some events, of a firing, or of a sensor (then the newest `limit`); oldest first."""
    if seqs:
        where = f"seq IN ({', '.join('?' * len(seqs))})"
        params: tuple[Any, ...] = tuple(seqs)
    elif firing:
        where, params = "firing = ?", (firing,)
    else:
        where, params = "namespace = ? AND sensor = ?", (namespace, sensor)
    rows = await database.read(
        f"SELECT {_DECISION}, worker FROM decisions WHERE {where} ORDER BY id DESC LIMIT ?",
        (*params, limit),
    )
    return [_decision(row) for row in reversed(rows)]


def _decision(row: Row) -> dict[str, Any]:
    names = (
        "seq",
        "namespace",
        "sensor",
        "trigger",
        "dependency",
        "outcome",
        "reason",
        "path",
        "line",
    )
    found = dict(zip(names, row[:9], strict=True))
    found |= {"detail": json.loads(row[9] or "{}"), "firing": row[10], "at": row[11]}
    return {**found, "worker": row[12]} if row[12] else found


async def firings(
    database: Database,
    *,
    namespace: str = "",
    sensor: str = "",
    status: str = "",
    ids: Sequence[str] = (),
    after: pages.Mark | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Firings as plain dicts, newest first, narrowed by whatever is given."""
    conditions = {"namespace = ?": namespace, "sensor = ?": sensor, "status = ?": status}
    wheres = [text for text, value in conditions.items() if value]
    params: list[Any] = [value for value in conditions.values() if value]
    if ids:
        wheres.append(f"id IN ({', '.join('?' * len(ids))})")
        params.extend(ids)
    if after is not None:
        wheres.append(pages.AFTER)
        params.extend(after.params)
    rows = await database.read(
        f"SELECT {_FIRING} FROM firings WHERE {' AND '.join(wheres) or '1 = 1'} "
        "ORDER BY created_at DESC, id LIMIT ?",
        (*params, limit),
    )
    return [_firing_row(row) for row in rows]


def _firing_row(row: Row) -> dict[str, Any]:
    id_, namespace, sensor, trigger, kind, status, attempts, next_at, receipt, error, made, at = row
    return {
        "id": id_, "namespace": namespace, "sensor": sensor, "trigger": trigger, "kind": kind,
        "status": status, "attempts": attempts, "nextAt": next_at,
        "receipt": json.loads(receipt) if receipt else None, "error": error,
        "createdAt": made, "updatedAt": at,
    }  # fmt: skip


async def events_named(database: Database, name: str) -> list[dict[str, Any]]:
    """Events whose id is `name`, or whose place in the log is, without their data."""
    seq = int(name) if name.isdigit() and len(name) < 19 else -1
    rows = await database.read(
        "SELECT seq, namespace, source, subject, id, type, time FROM events "
        "WHERE id = ? OR seq = ? ORDER BY seq",
        (name, seq),
    )
    names = ("seq", "namespace", "source", "subject", "id", "type", "time")
    return [dict(zip(names, row, strict=True)) for row in rows]
