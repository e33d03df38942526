"""The rows of `objects`."""

from typing import Any

import msgspec

from bireme.storage.ports import Database, Transaction
from server.objects.model import Key, StoredObject

_COLUMNS = "kind, namespace, name, uid, generation, origin, manifest, status, created_at"
_encode = msgspec.json.encode


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What the column `manifest` holds: the plain manifest, and on which line of its file each field stood."""

    manifest: dict[str, Any]
    lines: dict[str, int]


_decode = msgspec.json.Decoder(Kept).decode


def insert(tx: Transaction, stored: StoredObject) -> None:
    _count(tx)
    tx.execute(
        f"INSERT INTO objects ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *stored.key,
            stored.uid,
            stored.generation,
            stored.origin,
            _encode(Kept(stored.manifest, stored.lines)),
            _encode(stored.status),
            stored.created_at,
        ),
    )


def update(tx: Transaction, stored: StoredObject) -> None:
    """Everything but identity and birth."""
    _count(tx)
    tx.execute(
        "UPDATE objects SET generation = ?, origin = ?, manifest = ?, status = ?"
        " WHERE kind = ? AND namespace = ? AND name = ?",
        (
            stored.generation,
            stored.origin,
            _encode(Kept(stored.manifest, stored.lines)),
            _encode(stored.status),
            *stored.key,
        ),
    )


def delete(tx: Transaction, key: Key) -> None:
    _count(tx)
    tx.execute("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", key)


def _count(tx: Transaction) -> None:
    """Whoever follows the objects in another process sees that there are changes."""
    tx.execute("UPDATE fleet SET value = value + 1 WHERE name = 'objects'")


async def version(database: Database) -> int:
    """How many changes there were."""
    rows = await database.read("SELECT value FROM fleet WHERE name = 'objects'")
    return int(rows[0][0])


async def load(database: Database) -> list[StoredObject]:
    """Every object, in the order of birth."""
    rows = await database.read(f"SELECT {_COLUMNS} FROM objects ORDER BY created_at, kind, name")
    return [_stored(row) for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredObject:
    kind, namespace, name, uid, generation, origin, manifest, status, created_at = row
    kept = _decode(manifest)
    return StoredObject(
        kind=kind,
        namespace=namespace,
        name=name,
        uid=uid,
        generation=generation,
        origin=origin,
        manifest=kept.manifest,
        lines=kept.lines,
        status=msgspec.json.decode(status),
        created_at=created_at,
    )
