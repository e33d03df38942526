"""Doubts about event sources taken together: two that listen in one place, of which only the first would be heard."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from bireme.kit.errors import Problem
from bireme.manifests.events import EventSource


class _Door(NamedTuple):
    """Where an event of a source listens."""

    port: str
    endpoint: str


def source_doubts(sources: list[EventSource]) -> Iterator[Problem]:
    """One warning for every event but the first at the same port and path."""
    first: dict[_Door, str] = {}
    for source in sources:
        for kind, events in source.spec.sources.items():
            for name, config in events.items():
                door = _door(config)
                who = f"{source.metadata.name}/{name}"
                if door is not None and first.setdefault(door, who) != who:
                    yield _doubt(source, f"spec.{kind}.{name}", door, first[door])


def _door(config: Any) -> _Door | None:
    """A webhook's own fields, or those of the `webhook` block that other kinds have."""
    if not isinstance(config, dict):
        return None
    block = config.get("webhook", config)
    if not isinstance(block, dict) or not block.get("port") or not block.get("endpoint"):
        return None
    return _Door(str(block["port"]), str(block["endpoint"]))


def _doubt(source: EventSource, path: str, door: _Door, first: str) -> Problem:
    return source.problem(
        f"'{first}' listens on port {door.port} at {door.endpoint} already; only one of them is heard",
        path,
        advice="Choose another endpoint or port.",
        severity="warning",
    )
