"""Questions about the event log that people ask: the last ones, one by name, what follows."""

import json
from typing import Any

from bireme.kit.errors import NotFound
from bireme.storage.ports import Database
from events import store
from events.model import Event


class EventNotFound(NotFound):
    """No event of that id or number is in the log (any more)."""


async def newest(
    database: Database, *, namespace: str = "", source: str = "", limit: int = 50
) -> list[Event]:
    """The last events, oldest of them first."""
    asked = {"namespace = ?": namespace, "source = ?": source}
    where = " AND ".join(text for text, value in asked.items() if value) or "1 = 1"
    params = [value for value in asked.values() if value]
    rows = await database.read(
        f"SELECT {store.COLUMNS} FROM events WHERE {where} ORDER BY seq DESC LIMIT ?",
        (*params, max(limit, 1)),
    )
    return [store.decode(row) for row in reversed(rows)]


async def find(database: Database, name: str) -> Event:
    """By id, by number, or `@latest`. Raises EventNotFound."""
    where, params = _named(name)
    rows = await database.read(
        f"SELECT {store.COLUMNS} FROM events WHERE {where} ORDER BY seq DESC LIMIT 1", params
    )
    if not rows:
        raise EventNotFound(
            f"no event '{name}' in the log: it was never accepted here, or is older than what is kept;"
            " 'bireme events list' shows what there is"
        )
    return store.decode(rows[0])


def _named(name: str) -> tuple[str, tuple[Any, ...]]:
    if name == "@latest":
        return "1 = 1", ()
    if name.isdigit() and len(name) < 19:
        return "(seq = ? OR id = ?)", (int(name), name)
    return "id = ?", (name,)


async def by_seqs(database: Database, seqs: list[int]) -> list[Event]:
    """The events with these numbers that are still kept."""
    if not seqs:
        return []
    marks = ", ".join("?" * len(seqs))
    rows = await database.read(
        f"SELECT {store.COLUMNS} FROM events WHERE seq IN ({marks}) ORDER BY seq", seqs
    )
    return [store.decode(row) for row in rows]


async def last_decided(database: Database, limit: int) -> list[int]:
    """The numbers of the events that the last `limit` decisions are about."""
    rows = await database.read("SELECT seq FROM decisions ORDER BY id DESC LIMIT ?", (limit,))
    return sorted({int(seq) for (seq,) in rows})


def shown(event: Event, *, with_data: bool = True) -> dict[str, Any]:
    """An event as the API shows it; JSON payloads as JSON."""
    found: dict[str, Any] = {
        "seq": event.seq,
        "id": event.id,
        "namespace": event.namespace,
        "source": event.source,
        "subject": event.subject,
        "type": event.type,
        "time": event.time.timestamp(),
        "receivedAt": event.received_at.timestamp() if event.received_at else None,
        "contentType": event.content_type,
        "attributes": event.attributes,
    }
    if with_data:
        found["data"] = _data(event)
    return found


def _data(event: Event) -> Any:
    try:
        return json.loads(event.data)
    except (ValueError, RecursionError):  # nested too deeply is a text too
        return event.data.decode("utf-8", "replace")
