"""The object a trigger acts with: taken from the sensor itself, or read from elsewhere when the trigger acts.

`begun` is pure and makes what a row keeps: the object with its parameters placed, or where to read it and what to
place in it. `Fetcher.finished` reads it. Upstream reads everything when the trigger acts, and so anew at each attempt.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from events.model import Event
from events.ports import Place
from sensors import parameters
from sensors.errors import BadSensor, TriggerFailed
from sensors.model import Firing
from sensors.ports import ManifestSource
from sensors.registry import manifest_sources
from sensors.surroundings import Surroundings

Json = dict[str, Any]

LIMIT_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_ORDER = ("s3", "inline", "file", "url", "git", "configmap", "resource")


def begun(kind: str, block: Json, events: Mapping[str, Event]) -> Json:
    """`{"object": …}` or `{"source": …, "placements": …}`. Raises BadSensor or CannotResolve."""
    source: Json = block.get("source") or {}
    level = parameters.decode(block.get("parameters"))
    place = next((name for name in _ORDER if source.get(name) is not None), "")
    if place == "resource":
        return {"object": _one(parameters.apply(source["resource"], level, events), kind)}
    if place == "inline":
        found = parsed(source["inline"], f"{kind}.source.inline")
        return {"object": _one(parameters.apply(found, level, events), kind)}
    if not place:
        raise BadSensor(f"unknown artifact location: {kind}.source needs one of {_known()}")
    placed = parameters.rows(parameters.placements(level, events))
    return {"source": {place: source[place]}, "placements": placed, "trigger": kind}


def parsed(text: str | bytes, what: str) -> Any:
    """The first document of a YAML or JSON text. The complaint shows where, and nothing of the text."""
    import yaml

    try:
        return next(_documents(text), None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadSensor(f"{what} is not YAML{where}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise BadSensor(f"{what} is not YAML") from error


def _documents(text: str | bytes) -> Iterator[Any]:
    import yaml

    return iter(yaml.safe_load_all(text))


def _known() -> str:
    return ", ".join(_ORDER)


def _one(found: Any, kind: str) -> Json:
    if not isinstance(found, dict):
        raise BadSensor(f"{kind}.source does not hold one object")
    return found


class Fetcher:
    """Reads objects for the triggers of one kind."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._sources: dict[str, ManifestSource] = {}

    async def finished(self, start: Json, firing: Firing) -> Json:
        """The object, parameters placed. Raises BadSensor, TriggerFailed or TriggerRefused naming the source."""
        if "object" in start:
            found: Json = start["object"]
            return found
        return self.placed(start, await self.read(start, firing))

    async def read(self, start: Json, firing: Firing) -> Json:
        """The object as its source has it."""
        [(place, block)] = start["source"].items()
        what = f"{start['trigger']}.source.{place}"
        where = Place(firing.namespace, firing.sensor, start["trigger"], firing.trigger)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                text = await self._source(place).read(block, where)
        except TimeoutError as error:
            raise TriggerFailed(f"{what}: nothing came within {_TIMEOUT_S:.0f} s") from error
        if len(text) > LIMIT_BYTES:
            raise BadSensor(f"{what}: the object is longer than {LIMIT_BYTES} bytes")
        return _one(parsed(text, what), start["trigger"])

    def placed(self, start: Json, found: Json) -> Json:
        """The object with the values that waited for it."""
        result: Any = found
        for item in parameters.from_rows(start["placements"]):
            result = parameters.place(result, item)
        return _one(result, start["trigger"])

    async def close(self) -> None:
        for source in self._sources.values():
            await source.close()

    def _source(self, place: str) -> ManifestSource:
        if place not in self._sources:
            self._sources[place] = manifest_sources[place](self._surroundings)
        return self._sources[place]
