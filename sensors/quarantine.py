"""Events whose evaluation failed at a sensor: kept with the reason, until driven again or discarded. Rows only."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from bireme.kit import ids
from bireme.storage.ports import Database, Row, Transaction
from events.model import Event
from sensors import pages
from sensors.model import Decision

_pack = msgspec.msgpack.Encoder().encode
_event = msgspec.msgpack.Decoder(Event)

MOST_EACH = 1000

_COLUMNS = (
    "id, namespace, sensor, trigger_name, dependency, seq, reason, path, line, attempts, created_at, "
    "updated_at"
)
_NAMES = (
    "id", "namespace", "sensor", "trigger", "dependency", "seq", "reason", "path", "line", "attempts",
    "createdAt", "updatedAt",
)  # fmt: skip


class Quarantined(NamedTuple):
    """One event that could not be evaluated, and for whom it is to be tried again."""

    event: Event
    namespace: str
    sensor: str
    trigger: str
    dependency: str


def id_of(decision: Decision) -> str:
    """The same event that fails at the same place again is the same row."""
    sensor = f"{decision.namespace}/{decision.sensor}"
    return "q" + ids.digest(sensor, str(decision.seq), decision.dependency, decision.trigger)[:23]


def put(tx: Transaction, decisions: Iterable[Decision], events: Mapping[int, Event]) -> None:
    """Keep the events of these errors."""
    tx.executemany(
        f"INSERT INTO quarantine ({_COLUMNS}, event) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, path = excluded.path, "
        "line = excluded.line, attempts = quarantine.attempts + 1, updated_at = excluded.updated_at",
        [
            (id_of(d), d.namespace, d.sensor, d.trigger, d.dependency, d.seq, d.reason, d.path, d.line,
             1, d.at, d.at, _pack(events[d.seq]))
            for d in decisions
            if d.seq in events
        ],
    )  # fmt: skip


def bound(tx: Transaction, sensors: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Keep the newest `MOST_EACH` of each sensor, given by namespace and name; how many of which sensor went."""
    gone = {f"{namespace}/{sensor}": _bound(tx, namespace, sensor) for namespace, sensor in sensors}
    return {sensor: count for sensor, count in gone.items() if count}


def _bound(tx: Transaction, namespace: str, sensor: str) -> int:
    here = (namespace, sensor)
    rows = tx.query("SELECT COUNT(*) FROM quarantine WHERE namespace = ? AND sensor = ?", here)
    surplus = int(rows[0][0]) - MOST_EACH
    if surplus <= 0:
        return 0
    return tx.execute(
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE namespace = ? AND sensor = ? "
        "ORDER BY created_at, seq, id LIMIT ?)",
        (*here, surplus),
    )


def trim(tx: Transaction, older_than: float) -> int:
    """Forget what was last tried before `older_than`, in seconds since the epoch; how many that were."""
    return tx.execute("DELETE FROM quarantine WHERE updated_at < ?", (older_than,))


def load(tx: Transaction, id: str) -> Quarantined | None:
    rows = tx.query(
        "SELECT event, namespace, sensor, trigger_name, dependency FROM quarantine WHERE id = ?",
        (id,),
    )
    return Quarantined(_event.decode(rows[0][0]), *rows[0][1:]) if rows else None


def remove(tx: Transaction, id: str) -> bool:
    return tx.execute("DELETE FROM quarantine WHERE id = ?", (id,)) > 0


async def listed(
    database: Database,
    *,
    namespace: str = "",
    sensor: str = "",
    id: str = "",
    after: pages.Mark | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Quarantined events as plain dicts, newest first, narrowed by whatever is given."""
    given = {"namespace = ?": namespace, "sensor = ?": sensor, "id = ?": id}
    wheres = [text for text, value in given.items() if value]
    params: list[Any] = [value for value in given.values() if value]
    if after is not None:
        wheres.append(pages.AFTER)
        params.extend(after.params)
    rows = await database.read(
        f"SELECT {_COLUMNS} FROM quarantine WHERE {' AND '.join(wheres) or '1 = 1'} "
        "ORDER BY created_at DESC, id LIMIT ?",
        (*params, limit),
    )
    return [_shown(row) for row in rows]


def _shown(row: Row) -> dict[str, Any]:
    return dict(zip(_NAMES, row, strict=True))
