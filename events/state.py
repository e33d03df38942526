"""A source's small durable memory, in our own database."""

from collections.abc import Mapping
from types import MappingProxyType

from bireme.storage.ports import Database, Transaction
from events.ports import Overtaken, Place

_NONE: Mapping[str, bytes | None] = MappingProxyType({})
_SAVE = (
    "INSERT INTO source_state (source, state) VALUES (?, ?) "
    "ON CONFLICT (source) DO UPDATE SET state = excluded.state"
)
_NOTE = (
    "INSERT INTO source_facts (source, name, fact) VALUES (?, ?, ?) "
    "ON CONFLICT (source, name) DO UPDATE SET fact = excluded.fact"
)
_FIRST = (
    "INSERT INTO source_facts (source, name, fact) VALUES (?, ?, ?) "
    "ON CONFLICT (source, name) DO NOTHING"
)
_MOVE = "UPDATE source_facts SET fact = ? WHERE source = ? AND name = ? AND fact = ?"
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

    async def note(
        self,
        place: Place,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None] = _NONE,
    ) -> None:
        if facts:
            await self._database.write(lambda tx: self.note_inside(tx, place, facts, after))

    def note_inside(
        self,
        tx: Transaction,
        place: Place,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None] = _NONE,
    ) -> None:
        source = _name(place)
        for name, fact in facts.items():
            if name in after:
                _move(tx, source, name, after[name], fact)
            elif fact is None:
                tx.execute(_FORGET, (source, name))
        tx.executemany(
            _NOTE,
            [
                (source, name, fact)
                for name, fact in facts.items()
                if fact is not None and name not in after
            ],
        )


def _move(
    tx: Transaction, source: str, name: str, before: bytes | None, fact: bytes | None
) -> None:
    """From what it has to be until now. Of two who move it at once, one waits for the other's commit and finds it
    elsewhere."""
    if before is None:
        moved = tx.execute(_FIRST, (source, name, fact))
    elif fact is None:
        moved = tx.execute(f"{_FORGET} AND fact = ?", (source, name, before))
    else:
        moved = tx.execute(_MOVE, (fact, source, name, before))
    if not moved:
        raise Overtaken(f"{source}: somebody else has moved {name} on")


def _name(place: Place) -> str:
    return f"{place.namespace}/{place.name}/{place.kind}/{place.subject}"
