"""The families of plugins in this deck: one file in `sources/` or `buses/` is one kind."""

from typing import Any, Protocol

import msgspec

from bireme.kit.registry import Registry
from events.ports import Bus, EventSource, Surroundings


class SourceKind(Protocol):
    """What a source registers: a class with its `Config`, built from one decoded config and its surroundings."""

    Config: type[msgspec.Struct]

    def __call__(self, config: Any, surroundings: Surroundings) -> EventSource: ...


sources: Registry[SourceKind] = Registry("events.sources")
buses: Registry[type[Bus]] = Registry("events.buses")
