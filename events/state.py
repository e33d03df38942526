"""A source's small durable memory, in our own database."""

from collections.abc import Mapping

from bireme.storage.ports import Database, Transaction
from events.ports import Place

_SAVE = (
    "INSERT INTO source_state (source, state) VALUES (?, ?) "
    "ON CONFLICT (source) DO UPDATE SET state = excluded.state"
)
_NOTE = (
    "INSERT INTO source_facts (source, name, fact) VALUES (?, ?, ?) "
    "ON CONFLICT (source, name) DO UPDATE SET fact = excluded.fact"
)
_FORGET = "DELETE FROM source_facts WHERE source = ? AND name = ?"


class StoredState:
    """One row per configured event, and one per fact; durable once `save` or `note` returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, place: Place) -> bytes | None:
        rows = await self._database.read(
            "SELECT state FROM source_state WHERE source = ?", (_name(place),)
        )
        return bytes(rows[0][0]) if rows else None

    async def save(self, place: Place, state: bytes) -> None:
        await self._database.write(lambda tx: tx.execute(_SAVE, (_name(place), state)))

    async def facts(self, place: Place) -> dict[str, bytes]:
        rows = await self._database.read(
            "SELECT name, fact FROM source_facts WHERE source = ?", (_name(place),)
        )
        return {name: bytes(fact) for name, fact in rows}

    async def note(self, place: Place, facts: Mapping[str, bytes | None]) -> None:
        if facts:
            await self._database.write(lambda tx: self.note_inside(tx, place, facts))

    def note_inside(self, tx: Transaction, place: Place, facts: Mapping[str, bytes | None]) -> None:
        source = _name(place)
        kept = [(source, name, fact) for name, fact in facts.items() if fact is not None]
        if kept:
            tx.executemany(_NOTE, kept)
        for name, fact in facts.items():
            if fact is None:
                tx.execute(_FORGET, (source, name))


def _name(place: Place) -> str:
    return f"{place.namespace}/{place.name}/{place.kind}/{place.subject}"
