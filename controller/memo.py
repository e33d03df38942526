"""The cache of memoized steps, as rows. Functions of a Transaction write; MemoCaches reads what is committed."""

from datetime import datetime

import msgspec

from bireme.storage.ports import Database, Row, Transaction
from controller.dag.model import Memo, Memorize, NodeOutputs
from controller.model import Json, moment, rfc3339

LARGEST_ENTRY_BYTES = 1_000_000
"""Outputs beyond this are not kept: the next such step runs again."""
LARGEST_CACHE_ENTRIES = 10_000
"""Of more, those that were not asked for the longest make room."""

_COLUMNS = "namespace, cache, key, workflow, node, entry, created_at, hit_at"
_INSERT = (
    f"INSERT INTO memo ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)"
    " ON CONFLICT (namespace, cache, key) DO UPDATE SET workflow=excluded.workflow, node=excluded.node,"
    " entry=excluded.entry, created_at=excluded.created_at, hit_at=excluded.hit_at"
)
_HIT = "UPDATE memo SET hit_at=? WHERE namespace=? AND cache=? AND key=?"
_SURPLUS = "SELECT key FROM memo WHERE namespace=? AND cache=? ORDER BY hit_at DESC, key LIMIT 1000 OFFSET ?"


class Kept(msgspec.Struct, array_like=True):
    """What a step left."""

    outputs: NodeOutputs | None
    exit_code: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Kept)


def encode(effect: Memorize) -> bytes | None:
    """The entry as bytes; None when it is too large to be kept."""
    entry = _encoder.encode(Kept(effect.outputs, effect.exit_code))
    return entry if len(entry) <= LARGEST_ENTRY_BYTES else None


def save(tx: Transaction, home: tuple[str, str], effect: Memorize, now: datetime) -> None:
    """Keep what a step of the workflow `home` (namespace, name) left; the newest entry of a key wins."""
    entry = encode(effect)
    if entry is None:
        return
    namespace, workflow = home
    at = now.timestamp()
    tx.execute(_INSERT, (namespace, effect.cache, effect.key, workflow, effect.node, entry, at, at))
    surplus = tx.query(_SURPLUS, (namespace, effect.cache, LARGEST_CACHE_ENTRIES))
    for (key,) in surplus:
        clear(tx, namespace, effect.cache, key)


def recall(tx: Transaction, namespace: str, memo: Memo, now: datetime) -> Kept | None:
    """What is kept under the key, if it is not too old; the hit is noted."""
    where = (namespace, memo.cache, memo.key)
    rows = tx.query(
        "SELECT entry, created_at FROM memo WHERE namespace=? AND cache=? AND key=?", where
    )
    if not rows:
        return None
    entry, created_at = rows[0]
    if memo.max_age_s and now.timestamp() - created_at > memo.max_age_s:
        return None
    tx.execute(_HIT, (now.timestamp(), *where))
    return _decoder.decode(entry)


def clear(tx: Transaction, namespace: str, cache: str = "", key: str = "") -> int:
    """Forget an entry, a whole cache, or with neither all of the namespace; how many entries there were."""
    given = {"namespace": namespace, "cache": cache, "key": key}
    wanted = {column: value for column, value in given.items() if value}
    condition = " AND ".join(f"{column}=?" for column in wanted)
    return tx.execute(f"DELETE FROM memo WHERE {condition}", tuple(wanted.values()))


class MemoCaches:
    """The caches as people see them: looking does not count as a hit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, namespace: str, cache: str = "", *, limit: int = 500) -> list[Json]:
        """The entries of a namespace (all of them for ""), or of one of its caches, without their outputs."""
        given = {"namespace": namespace, "cache": cache}
        wanted = {column: value for column, value in given.items() if value}
        condition = "".join(f" AND {column}=?" for column in wanted)
        rows = await self._database.read(
            f"SELECT {_COLUMNS} FROM memo WHERE 1=1{condition} ORDER BY namespace, cache, key LIMIT ?",
            (*wanted.values(), limit),
        )
        return [_shown(row) for row in rows]

    async def get(self, namespace: str, cache: str, key: str) -> Json | None:
        """One entry with its outputs."""
        rows = await self._database.read(
            f"SELECT {_COLUMNS} FROM memo WHERE namespace=? AND cache=? AND key=?",
            (namespace, cache, key),
        )
        if not rows:
            return None
        kept = _decoder.decode(rows[0][5])
        return {**_shown(rows[0]), "outputs": msgspec.to_builtins(kept.outputs)}

    async def clear(self, namespace: str, cache: str = "", key: str = "") -> int:
        """As the function of this name, in a transaction of its own."""
        return await self._database.write(lambda tx: clear(tx, namespace, cache, key))


def _shown(row: Row) -> Json:
    namespace, cache, key, workflow, node, entry, created_at, hit_at = row
    return {
        "namespace": namespace, "cacheName": cache, "key": key, "workflow": workflow, "nodeID": node,
        "bytes": len(entry),
        "creationTimestamp": rfc3339(moment(created_at)), "lastHitTimestamp": rfc3339(moment(hit_at)),
    }  # fmt: skip
