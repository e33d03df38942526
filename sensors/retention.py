"""What may be forgotten of decisions and firings, and forgetting it, a slice at a time. Rows only."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from bireme.storage.ports import Database, Row, Transaction
from sensors import cell_store
from sensors.cells import Cell, SlotCell
from sensors.model import Receipt, TriggerState
from sensors.ports import Workflows

SLICE = 200
"""So many rows go in one transaction: the writer is held for a few milliseconds at most."""

FIRST_DECISION = (-1, 0)
FIRST_FIRING = (0.0, "")
"""Before all others."""

_OVER = "status IN ('fired', 'replaced', 'discarded')"
_state = msgspec.msgpack.Decoder(TriggerState)
_receipt = msgspec.json.Decoder(Receipt)


@dataclass(frozen=True, slots=True)
class Held:
    """What is still needed: (sensor, seq) of events that wait or failed, and the firings that hold or want a slot."""

    events: frozenset[tuple[str, int]]
    firings: frozenset[str]


async def oldest_event(database: Database) -> int:
    """The place of the oldest event in the log; 0 while it is empty."""
    rows = await database.read("SELECT coalesce(min(seq), 0) FROM events")
    return int(rows[0][0])


async def held(database: Database, before: int) -> Held:
    """What is needed of the events before `before`."""
    events: set[tuple[str, int]] = set()
    firings: set[str] = set()
    async for sensor, cell in cell_store.every(database, SLICE):
        events.update((sensor, seq) for seq in _waiting(cell) if seq < before)
        firings.update(_firings(cell))
    after: tuple[str, str] = ("", "")
    while rows := await database.read(_STATES, (*after, SLICE)):
        after = (rows[-1][0], rows[-1][1])
        for sensor, _, state in rows:
            seqs = [kept.event.seq for kept in _state.decode(state).stored.values()]
            events.update((sensor, seq) for seq in seqs if seq < before)
    failed = await database.read(
        "SELECT DISTINCT namespace || '/' || sensor, seq FROM quarantine WHERE seq < ?", (before,)
    )
    return Held(
        frozenset([*events, *((sensor, int(seq)) for sensor, seq in failed)]), frozenset(firings)
    )


_STATES = (
    "SELECT sensor, trigger_name, state FROM sensor_state WHERE (sensor, trigger_name) > (?, ?) "
    "ORDER BY sensor, trigger_name LIMIT ?"
)


def _waiting(cell: Cell) -> Iterator[int]:
    return (kept.event.seq for kept in getattr(cell, "waiting", ()))


def _firings(cell: Cell) -> list[str]:
    if isinstance(cell, SlotCell):
        return [ticket.firing for ticket in (*cell.running, *cell.queue)]
    return [fired] if (fired := getattr(cell, "fired", "")) else []


async def decisions_before(
    database: Database, seq: int, older_than: float, after: tuple[int, int] = FIRST_DECISION
) -> list[Row]:
    """(seq, id, sensor) of the next decisions that no event and no firing holds any more, from `after` on.

    Their event has left the log; one that no event caused is older than `older_than` (seconds since the epoch).
    """
    return await database.read(
        "SELECT d.seq, d.id, d.namespace || '/' || d.sensor FROM decisions d "
        "WHERE d.seq < ? AND (d.seq > 0 OR d.at < ?) AND (d.seq, d.id) > (?, ?) "
        "AND NOT EXISTS (SELECT 1 FROM firings f WHERE f.id = d.firing) "
        "ORDER BY d.seq, d.id LIMIT ?",
        (seq, older_than, *after, SLICE),
    )


def forget_decisions(tx: Transaction, ids: Sequence[int]) -> int:
    return tx.execute(f"DELETE FROM decisions WHERE id IN ({_marks(ids)})", ids)


async def surplus_before(database: Database, most: int) -> float:
    """When the firing ended of which, with all that ended earlier, there are too many; 0 when there are not."""
    rows = await database.read(f"SELECT COUNT(*) FROM firings WHERE {_OVER}")
    surplus = int(rows[0][0]) - most
    if surplus <= 0:
        return 0.0
    rows = await database.read(
        f"SELECT updated_at FROM firings WHERE {_OVER} ORDER BY updated_at, id LIMIT 1 OFFSET ?",
        (surplus,),
    )
    return float(rows[0][0]) if rows else 0.0


async def firings_before(
    database: Database, older_than: float, after: tuple[float, str] = FIRST_FIRING
) -> list[Row]:
    """(moment of the end, id, receipt) of the next firings that were over before `older_than`, from `after` on."""
    return await database.read(
        f"SELECT updated_at, id, receipt FROM firings WHERE {_OVER} AND updated_at < ? "
        "AND (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?",
        (older_than, *after, SLICE),
    )


def forget_firings(
    tx: Transaction, found: Sequence[Row], workflows: Workflows, kept: Collection[str]
) -> int:
    """Forget firings of `firings_before` but those `kept`, and those whose workflow still runs."""
    made = {id: _receipt.decode(text).uid for _, id, text in found if text}
    uids = [uid for uid in made.values() if uid]
    live = workflows.live(tx, uids) if uids else set()
    ids = [id for _, id, _ in found if id not in kept and made.get(id) not in live]
    return tx.execute(f"DELETE FROM firings WHERE id IN ({_marks(ids)}) AND {_OVER}", ids)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values)) or "NULL"
