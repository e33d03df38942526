"""The log's rows: appending with dedup, reading by position, cursors, retention. Everything else asks here for events.

Functions that take a Transaction run in the writer thread and may be part of a larger unit of work.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec
import orjson

from bireme.kit import ids
from bireme.storage.ports import Database, Row, Transaction
from events.model import Event

COLUMNS = "seq, namespace, source, subject, id, type, time, received_at, content_type, attributes, data, bus"
_INSERT = (
    "INSERT INTO events (namespace, source, subject, type, content_type, bus, received_at, attributes,"
    " seq, id, time, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SHARED = attrgetter(
    "namespace", "source", "subject", "type", "content_type", "bus", "received_at", "attributes"
)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
_FEW = 8  # alike: below that, they go with all the others
_AFTER = f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_REMEMBER = (
    "INSERT INTO event_keys (key, seq, seen_at) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, seen_at = excluded.seen_at"
)
_MOVE = (
    "INSERT INTO cursors (consumer, position) VALUES (?, ?) "
    "ON CONFLICT (consumer) DO UPDATE SET position = excluded.position"
)
_FORGOTTEN = 500  # keys looked up in one statement


class Appended(NamedTuple):
    """`accepted` has one event per event given, in order; `new` those of them the log did not have yet."""

    accepted: list[Event]
    new: list[Event]


def append(
    tx: Transaction, events: Sequence[Event], received_at: datetime, window_s: float
) -> Appended:
    """Give the events the next places in the log. A `dedup` seen within the window stands for its first event."""
    if not any(event.dedup for event in events):
        placed = [
            msgspec.structs.replace(event, seq=seq, received_at=received_at)
            for seq, event in enumerate(events, newest(tx) + 1)
        ]
        _insert(tx, placed)
        return Appended(placed, placed)
    seen_at = received_at.timestamp()
    keys = [dedup_key(event) for event in events]
    known = _known(tx, dict(zip(keys, events, strict=True)), seen_at - window_s)
    seq = newest(tx)
    accepted: list[Event] = []
    new: list[Event] = []
    remembered: list[tuple[str, int, float]] = []
    for event, key in zip(events, keys, strict=True):
        first = known.get(key) if key else None
        if first is None:
            seq += 1
            first = msgspec.structs.replace(event, seq=seq, received_at=received_at)
            new.append(first)
            if key:
                known[key] = first
                remembered.append((key, seq, seen_at))
        accepted.append(first)
    _insert(tx, new)
    tx.executemany(_REMEMBER, remembered)
    return Appended(accepted, new)


def dedup_key(event: Event) -> str:
    """What two deliveries of one event have in common; empty when the event carries no delivery id."""
    if not event.dedup:
        return ""
    origin = _origin(event.namespace, event.source, event.subject)
    return ids.digest_of(origin + ids.framed(event.dedup))


@lru_cache(maxsize=1024)
def _origin(*parts: str) -> bytes:
    """The part of the key that all events of a source share."""
    return b"".join(map(ids.framed, parts))


def newest(tx: Transaction) -> int:
    """The last place taken in the log; 0 while it is empty. Retention never removes that event."""
    return int(tx.query("SELECT coalesce(max(seq), 0) FROM events")[0][0])


def _known(tx: Transaction, keys: dict[str, Event], since: float) -> dict[str, Event]:
    """The first events of those keys that were seen; the empty one is none."""
    keys.pop("", None)
    known: dict[str, Event] = {}
    names = list(keys)
    for start in range(0, len(names), _FORGOTTEN):
        some = names[start : start + _FORGOTTEN]
        marks = ",".join("?" * len(some))
        rows = tx.query(
            f"SELECT key, seq FROM event_keys WHERE key IN ({marks}) AND seen_at >= ?",
            (*some, since),
        )
        for key, seq in rows:
            known[key] = _first(tx, int(seq), keys[key])
    return known


def _first(tx: Transaction, seq: int, repeated: Event) -> Event:
    """The event that took this key first; when retention has removed it, the repeated one in its place."""
    rows = tx.query(f"SELECT {COLUMNS} FROM events WHERE seq = ?", (seq,))
    return decode(rows[0]) if rows else msgspec.structs.replace(repeated, seq=seq)


def _insert(tx: Transaction, events: Sequence[Event]) -> None:
    """Events of one source that came together differ in little: what they share is handed over once."""
    alike: dict[Row, list[Row]] = {}
    for (*names, received_at, attributes), some in groupby(events, _SHARED):
        told = orjson.dumps(attributes).decode() if attributes else "{}"
        own = [(event.seq, event.id, _stamp(event.time), event.data) for event in some]
        alike.setdefault((*names, received_at.timestamp(), told), []).extend(own)
    few: list[Row] = []
    for shared, rows in alike.items():
        if len(rows) < _FEW:
            few += [(*shared, *row) for row in rows]
        else:
            tx.executemany(_INSERT, rows, shared)
    tx.executemany(_INSERT, few)


@lru_cache(maxsize=64)
def _stamp(moment: datetime) -> float:
    """Events that came together share their moments. Rounded to a float, none becomes later than times can be."""
    return min(moment.timestamp(), _LATEST)


def decode(row: Row) -> Event:
    """The event of a row with COLUMNS. The delivery id is not kept in the log, only its digest beside it."""
    (
        seq,
        namespace,
        source,
        subject,
        id_,
        type_,
        time,
        received_at,
        content_type,
        attributes,
        data,
        bus,
    ) = row
    return Event(
        seq=seq,
        namespace=namespace,
        source=source,
        subject=subject,
        id=id_,
        type=type_,
        time=datetime.fromtimestamp(time, UTC),
        received_at=datetime.fromtimestamp(received_at, UTC),
        content_type=content_type,
        attributes=orjson.loads(attributes) if attributes != "{}" else {},
        data=bytes(data),
        bus=bus,
    )


def after(tx: Transaction, position: int, limit: int) -> list[Event]:
    """At most `limit` events with `seq > position`, in order, as this transaction sees them."""
    return [decode(row) for row in tx.query(_AFTER, (position, limit))]


async def read_after(database: Database, position: int, limit: int) -> list[Event]:
    """At most `limit` durable events with `seq > position`, in order."""
    return [decode(row) for row in await database.read(_AFTER, (position, limit))]


def cursor(tx: Transaction, consumer: str) -> int | None:
    """How far the consumer has come; None when it has never been here."""
    rows = tx.query("SELECT position FROM cursors WHERE consumer = ?", (consumer,))
    return int(rows[0][0]) if rows else None


def move_cursor(tx: Transaction, consumer: str, position: int) -> None:
    """The consumer is done with everything up to `position`. From now on retention waits for it."""
    tx.execute(_MOVE, (consumer, position))


def forget_cursor(tx: Transaction, consumer: str) -> None:
    """The consumer is gone: retention waits for it no longer."""
    tx.execute("DELETE FROM cursors WHERE consumer = ?", (consumer,))


def trim(tx: Transaction, *, older_than: float, most: int, batch: int) -> int:
    """Remove up to `batch` of the oldest events that are too old or too many; returns how many went.

    `older_than` is in seconds since the epoch. What a cursor has not passed stays, and so does the newest event.
    """
    last = newest(tx)
    passed = tx.query("SELECT min(position) FROM cursors")[0][0]
    limit = last - 1 if passed is None else min(last - 1, int(passed))
    rows = tx.query(
        "SELECT seq, received_at FROM events WHERE seq <= ? ORDER BY seq LIMIT ?", (limit, batch)
    )
    doomed = _doomed(rows, older_than, last - most)
    if doomed:
        tx.execute("DELETE FROM events WHERE seq <= ?", (doomed,))
    return sum(1 for seq, _ in rows if seq <= doomed)


def _doomed(rows: Iterable[Row], older_than: float, surplus: int) -> int:
    """The last `seq` of the unbroken run of removable events at the log's old end; 0 when there is none."""
    doomed = 0
    for seq, received_at in rows:
        if seq > surplus and received_at >= older_than:
            break
        doomed = int(seq)
    return doomed


def trim_keys(tx: Transaction, older_than: float) -> int:
    """Forget the delivery ids last seen before `older_than`."""
    return tx.execute("DELETE FROM event_keys WHERE seen_at < ?", (older_than,))
