"""The rows of what sensors keep by key. No decisions are taken here."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any

import msgspec

from bireme.storage.ports import Database, Transaction
from sensors import store
from sensors.cells import Address, Cell
from sensors.holding import ANY, Where
from sensors.ports import Workflows

_pack = msgspec.msgpack.Encoder().encode
_cell = msgspec.msgpack.Decoder(Cell)

_OVER = frozenset(("dead", "replaced", "discarded"))
_HERE = "sensor = ? AND trigger_name = ? AND kind = ? AND key = ?"


class StoredCells:
    """The cells of one sensor inside `tx`: read when asked for, written by `write`."""

    def __init__(self, tx: Transaction, sensor: str, workflows: Workflows) -> None:
        self._tx = tx
        self._sensor = sensor
        self._workflows = workflows
        self._known: dict[Address, Cell | None] = {}
        self._changed: set[Address] = set()

    def get(self, address: Address) -> Cell | None:
        if address not in self._known:
            rows = self._tx.query(
                f"SELECT state FROM sensor_cells WHERE {_HERE}", (self._sensor, *address)
            )
            self._known[address] = _cell.decode(rows[0][0]) if rows else None
        return self._known[address]

    def replaced(self, changes: Mapping[Address, Cell | None]) -> "StoredCells":
        self._known.update(changes)
        self._changed.update(changes)
        return self

    def has_fired(self, firing: str) -> bool:
        return store.firing_status(self._tx, firing) is not None

    def ended(self, firings: Collection[str]) -> frozenset[str]:
        if not firings:
            return frozenset()
        found = store.receipts(self._tx, tuple(firings))
        made = {id: receipt.uid for id, (status, receipt) in found.items()
                if status == "fired" and receipt and receipt.kind == "Workflow" and not receipt.note}  # fmt: skip
        live = self._workflows.live(self._tx, tuple(made.values())) if made else set()
        return frozenset(
            id for id in firings
            if id not in found or found[id][0] in _OVER
            or (found[id][0] == "fired" and made.get(id) not in live)
        )  # fmt: skip

    def write(self) -> bool:
        """Write what has changed; True if anything has."""
        kept, gone = [], []
        for address in self._changed:
            cell = self._known[address]
            if cell is None:
                gone.append((self._sensor, *address))
            else:
                kept.append((self._sensor, *address, cell.due_at, _pack(cell)))
        if gone:
            self._tx.executemany(f"DELETE FROM sensor_cells WHERE {_HERE}", gone)
        if kept:
            self._tx.executemany(
                "INSERT INTO sensor_cells (sensor, trigger_name, kind, key, due_at, state) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sensor, trigger_name, kind, key) "
                "DO UPDATE SET due_at = excluded.due_at, state = excluded.state",
                kept,
            )
        return bool(kept or gone)


def due(tx: Transaction, now: float, limit: int, where: Where = ANY) -> list[tuple[str, Address]]:
    """Cells whose moment has come, the longest overdue first, with their sensors."""
    rows = tx.query(
        f"SELECT sensor, trigger_name, kind, key FROM sensor_cells WHERE due_at <= ?{where.sql} "
        "ORDER BY due_at, sensor, trigger_name, kind, key LIMIT ?",
        (now, *where.params, limit),
    )
    return [(sensor, Address(trigger, kind, key)) for sensor, trigger, kind, key in rows]


def exists(tx: Transaction, sensor: str, address: Address) -> bool:
    """True if something is kept there."""
    return bool(tx.query(f"SELECT 1 FROM sensor_cells WHERE {_HERE}", (sensor, *address)))


def put_off(
    tx: Transaction, cells: Iterable[tuple[str, Address]], now: float, until: float
) -> None:
    """Look again later at those that are still due."""
    tx.executemany(
        f"UPDATE sensor_cells SET due_at = ? WHERE {_HERE} AND due_at <= ?",
        [(until, sensor, *address, now) for sensor, address in cells],
    )


async def every(database: Database, batch: int) -> AsyncIterator[tuple[str, Cell]]:
    """All cells with their sensors, read `batch` at a time."""
    after = ("", "", "", "")
    while rows := await database.read(_EVERY, (*after, batch)):
        *last, _ = rows[-1]
        after = (last[0], last[1], last[2], last[3])
        for sensor, *_, state in rows:
            yield sensor, _cell.decode(state)


_EVERY = (
    "SELECT sensor, trigger_name, kind, key, state FROM sensor_cells "
    "WHERE (sensor, trigger_name, kind, key) > (?, ?, ?, ?) "
    "ORDER BY sensor, trigger_name, kind, key LIMIT ?"
)


async def next_due(database: Database, where: Where = ANY) -> float | None:
    """When the next cell is due."""
    rows = await database.read(
        f"SELECT MIN(due_at) FROM sensor_cells WHERE 1 = 1{where.sql}", where.params
    )
    found: float | None = rows[0][0]
    return found


async def of_sensor(database: Database, sensor: str, limit: int = 200) -> list[dict[str, Any]]:
    """What a sensor keeps by key, as plain dicts, the next due first."""
    rows = await database.read(
        "SELECT trigger_name, kind, key, due_at, state FROM sensor_cells WHERE sensor = ? "
        "ORDER BY due_at, trigger_name, kind, key LIMIT ?",
        (sensor, limit),
    )
    return [
        {"trigger": trigger, "kind": kind, "key": key, "dueAt": due_at, **_shown(_cell.decode(state))}
        for trigger, kind, key, due_at, state in rows
    ]  # fmt: skip


def _shown(cell: Cell) -> dict[str, Any]:
    """A cell for people: its events by name and number only."""
    plain: dict[str, Any] = msgspec.to_builtins(
        {
            name: getattr(cell, name)
            for name in ("running", "queue", "count", "fired")
            if hasattr(cell, name)
        }
    )
    if waiting := getattr(cell, "waiting", None):
        plain["waiting"] = [
            {
                "dependency": kept.dependency,
                "event": kept.event.id,
                "seq": kept.event.seq,
                "at": kept.at,
            }
            for kept in waiting
        ]
    return plain
