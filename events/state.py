"""A source's small durable memory, in our own database."""

from bireme.storage.ports import Database
from events.ports import Place

_SAVE = (
    "INSERT INTO source_state (source, state) VALUES (?, ?) "
    "ON CONFLICT (source) DO UPDATE SET state = excluded.state"
)


class StoredState:
    """One row per configured event; durable once `save` returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, place: Place) -> bytes | None:
        rows = await self._database.read(
            "SELECT state FROM source_state WHERE source = ?", (_name(place),)
        )
        return bytes(rows[0][0]) if rows else None

    async def save(self, place: Place, state: bytes) -> None:
        await self._database.write(lambda tx: tx.execute(_SAVE, (_name(place), state)))


def _name(place: Place) -> str:
    return f"{place.namespace}/{place.name}/{place.kind}/{place.subject}"
