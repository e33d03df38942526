"""Folders on other machines: looked at again and again; what two looks show is what happened in between.

What was seen last is kept, in the very commit of the events that follow from it: a change made while nobody looked is
told by the next look, and no change twice.
"""

import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from enum import IntFlag
from typing import Any

import msgspec
import orjson

from events import fields
from events.ports import BadSourceConfig, NewEvent, Publish, Surroundings

_FILE = "file/"
_SEEN = "seen"


class Op(IntFlag):
    """What happened to a file; the numbers are upstream's."""

    CREATE = 1
    WRITE = 2
    REMOVE = 4
    RENAME = 8
    CHMOD = 16


class WatchPath(fields.Fields, frozen=True, kw_only=True):
    """Which files: one by `path`, or those whose name `pathRegexp` is found in; both relative to `directory`."""

    directory: str = ""
    path: str = ""
    path_regexp: str = ""


def operations(text: str) -> Op:
    """The operations that `eventType` names; several are joined with `|`. Raises BadSourceConfig."""
    if not text:
        raise BadSourceConfig(
            "type must be specified: eventType is CREATE, WRITE, REMOVE, RENAME or CHMOD"
        )
    wanted = Op(0)
    for word in text.split("|"):
        if word not in Op.__members__:
            known = ", ".join(Op.__members__)
            raise BadSourceConfig(f"eventType: unknown {word!r}; known: {known}")
        wanted |= Op[word]
    return wanted


def matcher(config: WatchPath) -> Callable[[str], bool]:
    """Whether a name inside the directory is wanted. Raises BadSourceConfig."""
    if complaint := _complaint(config):
        raise BadSourceConfig(f"watchPathConfig: {complaint}")
    if config.path:
        return lambda name: name == config.path
    try:
        found = re.compile(config.path_regexp).search
    except re.error as error:
        raise BadSourceConfig(f"pathRegexp: {config.path_regexp!r}: {error}") from error
    return lambda name: found(name) is not None


def _complaint(config: WatchPath) -> str:
    if not config.directory:
        return "directory is required"
    if not os.path.isabs(config.directory):
        return "directory must be an absolute file path"
    if not config.path and not config.path_regexp:
        return "either path or pathRegexp must be specified"
    if config.path and config.path_regexp:
        return "path and pathRegexp cannot be specified together"
    return "path must be a relative file path" if os.path.isabs(config.path) else ""


class Seen(msgspec.Struct, frozen=True):
    """What one look at a file tells: bytes, time of the last write in the server's own unit, mode, and what it keeps
    under another name, 0 when the server tells no such thing."""

    size: int
    written: int
    mode: int = 0
    identity: int = 0


Look = Callable[[], Awaitable[Mapping[str, Seen]]]


class Folder:
    """One folder and what was seen in it. `look` gives the files by name; what does not match is left out here."""

    def __init__(
        self,
        watched: WatchPath,
        ops: Op,
        surroundings: Surroundings,
        metadata: dict[str, str] | None,
    ) -> None:
        self._directory = watched.directory
        self._is_wanted = matcher(watched)
        self._ops = ops
        self._around = surroundings
        self._metadata = metadata

    async def watch(self, publish: Publish, look: Look, interval_s: float) -> None:
        """Until cancelled. What lies there at the very first look is no event."""
        facts = await self._around.state.facts(self._around.place)
        known = {
            name.removeprefix(_FILE): msgspec.json.decode(fact, type=Seen)
            for name, fact in facts.items()
            if name.startswith(_FILE)
        }
        is_first = _SEEN not in facts
        while True:
            now = {name: seen for name, seen in (await look()).items() if self._is_wanted(name)}
            await self._tell(publish, known, now, is_first=is_first)
            is_first = False
            self._around.ready()
            known = now
            await self._around.clock.sleep(interval_s)

    async def _tell(
        self,
        publish: Publish,
        known: Mapping[str, Seen],
        now: Mapping[str, Seen],
        *,
        is_first: bool,
    ) -> None:
        changes = [] if is_first else list(difference(known, now))
        events = [self._event(*change) for change in changes if change[1] & self._ops]
        facts: dict[str, bytes | None] = {
            _FILE + name: msgspec.json.encode(seen)
            for name, seen in now.items()
            if known.get(name) != seen
        }
        facts |= {_FILE + name: None for name in known if name not in now}
        if is_first:
            facts[_SEEN] = b"1"
        if events:
            await publish(events, facts)
        elif facts:
            await self._around.state.note(self._around.place, facts)

    def _event(self, name: str, op: Op, seen: Seen) -> NewEvent:
        payload: dict[str, Any] = {
            "name": os.path.join(self._directory, name),
            "op": int(op),
            "metadata": self._metadata,
        }
        return NewEvent(data=orjson.dumps(payload))


def difference(
    known: Mapping[str, Seen], now: Mapping[str, Seen]
) -> Iterator[tuple[str, Op, Seen]]:
    """What happened between two looks, by name. A file that went while the same came elsewhere was renamed. Pure."""
    arrived = {seen.identity for name, seen in now.items() if name not in known} - {0}
    for name in sorted({*known, *now}):
        old, new = known.get(name), now.get(name)
        if new is None and old is not None:
            yield name, Op.RENAME if old.identity in arrived else Op.REMOVE, old
        elif new is not None:
            yield from ((name, op, new) for op in _ops(old, new))


def _ops(old: Seen | None, new: Seen) -> Iterator[Op]:
    if old is None:
        yield Op.CREATE
    elif (old.size, old.written) != (new.size, new.written):
        yield Op.WRITE
    elif old.mode != new.mode:
        yield Op.CHMOD
