"""Messages that can be no event: kept aside with the reason before they are acknowledged, so that no queue is blocked
by them and nothing vanishes. At most `MOST_EACH` of an EventSource, for `KEPT_S`. Rows only."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from bireme.kit import ids
from bireme.kit.clock import Clock
from bireme.kit.errors import NotFound
from bireme.storage.ports import Database, Row, Transaction
from events.ports import Place, PoisonMessage

MOST_EACH = 1000
MOST_BYTES = 64 << 10
"""Of a body, so much is kept."""
KEPT_S = 30 * 86400.0

_COLUMNS = (
    "id, namespace, source, subject, kind, reason, place, size, times, created_at, updated_at"
)
_NAMES = (
    "id", "namespace", "source", "subject", "kind", "reason", "place", "bytes", "times", "createdAt",
    "updatedAt",
)  # fmt: skip
_PUT = (
    f"INSERT INTO poison ({_COLUMNS}, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, times = poison.times + 1, "
    "updated_at = excluded.updated_at"
)


class StoredPoison:
    """Poison of every source in our own database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, place: Place, found: Sequence[PoisonMessage]) -> None:
        """Durable on return. What comes again is the same row."""
        now = self._clock.now().timestamp()
        await self._database.write(lambda tx: _keep(tx, place, found, now))


def _keep(tx: Transaction, place: Place, found: Sequence[PoisonMessage], now: float) -> None:
    tx.executemany(_PUT, [_row(place, one, now) for one in found])
    tx.execute("DELETE FROM poison WHERE updated_at < ?", (now - KEPT_S,))
    here = (place.namespace, place.name)
    (count,) = tx.query("SELECT COUNT(*) FROM poison WHERE namespace = ? AND source = ?", here)
    surplus = int(count[0]) - MOST_EACH
    if surplus > 0:
        tx.execute(
            "DELETE FROM poison WHERE id IN (SELECT id FROM poison WHERE namespace = ? AND source = ? "
            "ORDER BY created_at, id LIMIT ?)",
            (*here, surplus),
        )


def _row(place: Place, one: PoisonMessage, now: float) -> tuple[Any, ...]:
    where = orjson.dumps(one.where, default=str, option=orjson.OPT_SORT_KEYS).decode()
    body = one.raw[:MOST_BYTES]
    names = (place.namespace, place.name, place.subject, place.kind)
    id = "p" + ids.digest(*names, where, body.hex())[:23]
    return (id, *names, one.reason, where, len(one.raw), 1, now, now, body)


async def listed(
    database: Database, *, namespace: str = "", source: str = "", limit: int = 200
) -> list[dict[str, Any]]:
    """The newest, oldest first, without their bodies."""
    given = {"namespace = ?": namespace, "source = ?": source}
    wheres = [text for text, value in given.items() if value]
    rows = await database.read(
        f"SELECT {_COLUMNS} FROM poison WHERE {' AND '.join(wheres) or '1 = 1'} "
        "ORDER BY updated_at DESC, id LIMIT ?",
        (*(value for value in given.values() if value), limit),
    )
    return [_shown(row) for row in reversed(rows)]


async def find(database: Database, id: str) -> dict[str, Any]:
    """One with its body, cut off after MOST_BYTES: as `body` when it is a text, else `bodyBase64`. Raises NotFound."""
    rows = await database.read(f"SELECT {_COLUMNS}, body FROM poison WHERE id = ?", (id,))
    if not rows:
        raise NotFound(f"there is no poison message {id}")
    *row, body = rows[0]
    raw = bytes(body)
    try:
        return {**_shown(row), "body": raw.decode()}
    except UnicodeDecodeError:
        return {**_shown(row), "bodyBase64": base64.b64encode(raw).decode()}


async def discard(database: Database, id: str) -> None:
    """Raises NotFound."""
    if not await database.write(lambda tx: tx.execute("DELETE FROM poison WHERE id = ?", (id,))):
        raise NotFound(f"there is no poison message {id}")


def _shown(row: Row | list[Any]) -> dict[str, Any]:
    found = dict(zip(_NAMES, row, strict=True))
    return {**found, "place": orjson.loads(found["place"])}
