"""Answers to "what happened?": reads the rows and lets `explain` put them together."""

from collections.abc import Iterable
from typing import Any

from bireme.kit.errors import NotFound
from bireme.storage.ports import Database
from sensors import explain, store


async def event(database: Database, name: str, listeners: Iterable[str] = ()) -> dict[str, Any]:
    """The way of the event with that id or place in the log. Raises NotFound."""
    found = await store.events_named(database, name)
    if not found:
        raise NotFound(f"there is no event '{name}' in the log")
    decisions = await store.decisions(database, seqs=[found[-1]["seq"]], limit=10_000)
    return explain.event(found[-1], decisions, await _firings(database, decisions), listeners)


async def sensor(
    database: Database, namespace: str, name: str, problems: Iterable[str] = (), limit: int = 50
) -> dict[str, Any]:
    """What a sensor decided lately and what it has open."""
    decisions = await store.decisions(database, namespace=namespace, sensor=name, limit=limit)
    firings = await store.firings(database, namespace=namespace, sensor=name, limit=limit)
    return explain.sensor(namespace, name, decisions, firings, list(problems))


async def firing(database: Database, firing_id: str) -> dict[str, Any]:
    """Why a firing came to be and what came of it. Raises NotFound."""
    found = await store.firings(database, ids=[firing_id])
    if not found:
        raise NotFound(f"there is no firing '{firing_id}'")
    decisions = await store.decisions(database, firing=firing_id)
    names = {str(decision["seq"]) for decision in decisions}
    events = [item for name in sorted(names) for item in await store.events_named(database, name)]
    return explain.firing(found[0], decisions, events)


async def counts(database: Database, namespace: str = "") -> dict[str, dict[str, int]]:
    """By `namespace/name`: firings by status, `failed` events, and `waiting` keys."""
    found: dict[str, dict[str, int]] = {}
    for sensor, what, count in await store.counted(database, namespace):
        found.setdefault(sensor, {})[what] = count
    return found


async def partial(database: Database, sensor: str) -> list[dict[str, Any]]:
    """The events that wait for a condition (`sensor` is `namespace/name`), by trigger and dependency."""
    kept = await store.remembered(database, sensor)
    return [
        {
            "trigger": trigger,
            "condition": state.condition,
            "dependency": name,
            "event": stored.event.id,
            "seq": stored.event.seq,
            "at": stored.at,
        }
        for trigger, state in kept.items()
        for name, stored in state.stored.items()
    ]


async def _firings(database: Database, decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = sorted({decision["firing"] for decision in decisions if decision["firing"]})
    return await store.firings(database, ids=ids, limit=len(ids)) if ids else []
