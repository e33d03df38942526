"""Event source `file`: an event when a file is created, written, removed, renamed or has its mode changed.

    spec:
      file:
        orders: {eventType: CREATE, watchPathConfig: {directory: /srv/orders/, pathRegexp: "[.]csv$"}}

Payload: `{"name": path, "op": bits, "metadata": {…}}` with CREATE 1, WRITE 2, REMOVE 4, RENAME 8, CHMOD 16.

What is reported is always the difference between what was known of the directory and what is there now; the kernel's
notifications only say when and where to look. What was known is kept, so that changes made while nobody watched are
reported at the next start.
"""

import asyncio
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import msgspec
import orjson

from bireme.kit.errors import ServiceError
from events import fields
from events.folders import Op, WatchPath, matcher, operations
from events.patience import publish_until_durable
from events.ports import EventsError, NewEvent, Publish, Surroundings
from events.registry import sources

_POLL_S = 0.1
_SAVE_AFTER_S = 1.0
_READING = frozenset({"opened", "closed_no_write"})


class Stamp(NamedTuple):
    """What one look at a file tells. Only `changed_ns` never returns to an earlier value."""

    inode: int
    mode: int
    size: int
    written_ns: int
    changed_ns: int

    @property
    def identity(self) -> tuple[int, int, int]:
        """What a file keeps under another name. The inode alone may already be another file's."""
        return self.inode, self.size, self.written_ns


class Change(NamedTuple):
    name: str
    op: Op
    stamp: Stamp


class Sight(NamedTuple):
    """Something was seen at this name, and what it was by the kernel's word."""

    name: str
    what: str = ""

    @property
    def is_new(self) -> bool:
        return self.what == "created"

    @property
    def is_leaving(self) -> bool:
        return self.what in ("deleted", "moved")


Snapshot = dict[str, Stamp]
Sights = asyncio.Queue[frozenset[Sight]]


class DirectoryUnavailable(EventsError, ServiceError):
    """The watched directory is missing or cannot be read."""

    retriable = True
    blame = "service"


_EVERYTHING = Sight("")  # stands for every name of the directory
_FLEETING = Stamp(0, 0, 0, 0, 0)  # of what was gone before anybody could look


@sources.register("file")
class FileSource:
    """Reports each change at least once, also over restarts; its delivery id makes it once in the log."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        event_type: str = ""
        watch_path_config: WatchPath = WatchPath()
        polling: bool = False
        metadata: dict[str, str] | None = None
        filter: fields.Filter | None = None

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._metadata = config.metadata
        self._polling = config.polling
        self._ops = operations(config.event_type)
        self._directory = config.watch_path_config.directory
        self._is_wanted = matcher(config.watch_path_config)
        self._known: Snapshot = {}

    async def run(self, publish: Publish) -> None:
        with self._watched() as seen:
            kept = await self._around.state.load(self._around.place)
            if kept is None:
                self._known = await asyncio.to_thread(self._scan)
            else:
                self._known = _read(kept)
                await self._look_at(publish, {_EVERYTHING})
            await self._save()
            self._around.ready()
            await self._follow(publish, seen)

    async def _follow(self, publish: Publish, seen: Sights) -> None:
        """Look where something was seen. What is known is written down once it has been quiet for a moment."""
        saved = True
        while True:
            sights = await self._sights(seen, saved)
            if sights and await self._look_at(publish, sights):
                saved = False
            elif not saved:
                await self._save()
                saved = True

    async def _sights(self, seen: Sights, saved: bool) -> set[Sight]:
        if self._polling:
            await self._around.clock.sleep(_POLL_S)
            return {_EVERYTHING}
        return await _next(seen, patience_s=None if saved else _SAVE_AFTER_S)

    async def _look_at(self, publish: Publish, sights: set[Sight]) -> bool:
        """Publish what changed where something was seen. True when anything had changed."""
        names = {sight.name for sight in sights}
        if _EVERYTHING in sights:
            now = await asyncio.to_thread(self._scan)
            names |= self._known.keys() | now.keys()
        else:
            now = await asyncio.to_thread(self._look, names)
            names -= self._going(sights, now)
        changes = difference(self._known, now, names)
        changes += self._fleeting({sight.name for sight in sights if sight.is_new} - now.keys())
        await self._report(publish, changes)
        for name in names:
            self._known.pop(name, None)
        self._known.update(now)
        return bool(changes)

    def _going(self, sights: set[Sight], now: Snapshot) -> set[str]:
        """Files that are gone before the kernel told how: its word, still to come, names both ends of a rename."""
        told = {sight.name for sight in sights if sight.is_leaving}
        return {s.name for s in sights if s.name in self._known and s.name not in now} - told

    def _fleeting(self, gone: Collection[str]) -> list[Change]:
        """Files that came and went before they could be looked at."""
        names = [name for name in sorted(gone) if name not in self._known and self._is_wanted(name)]
        return [Change(name, op, _FLEETING) for name in names for op in (Op.CREATE, Op.REMOVE)]

    async def _report(self, publish: Publish, changes: Sequence[Change]) -> None:
        events = [self._event(change) for change in changes if change.op in self._ops]
        if events:
            await publish_until_durable(publish, events, self._around.clock)

    def _event(self, change: Change) -> NewEvent:
        name = _shown(change.name)
        payload = {
            "name": os.path.join(self._directory, name),
            "op": int(change.op),
            "metadata": self._metadata,
        }
        key = orjson.dumps([name, change.op.name, *change.stamp]).decode()
        dedup = "" if change.stamp is _FLEETING else key
        return NewEvent(data=orjson.dumps(payload), dedup=dedup)

    async def _save(self) -> None:
        await self._around.state.save(self._around.place, _written(self._known))

    def _scan(self) -> Snapshot:
        try:
            names = os.listdir(self._directory)
        except OSError as error:
            raise _unavailable(self._directory, error) from error
        return self._look(names)

    def _look(self, names: Collection[str]) -> Snapshot:
        """What is there now of these names, of those that are wanted."""
        found: Snapshot = {}
        for name in names:
            if self._is_wanted(name):
                with suppress(OSError):
                    found[name] = _stamp(os.lstat(os.path.join(self._directory, name)))
        return found

    @contextmanager
    def _watched(self) -> Iterator[Sights]:
        """A queue of what the kernel saw."""
        seen: Sights = asyncio.Queue()
        if self._polling:
            yield seen
            return
        loop = asyncio.get_running_loop()
        stop = _watch(
            self._directory, lambda sights: loop.call_soon_threadsafe(seen.put_nowait, sights)
        )
        try:
            yield seen
        finally:
            stop()


def _watch(directory: str, tell: Callable[[frozenset[Sight]], object]) -> Callable[[], None]:
    """Have the kernel's notifications of this directory told; returns what ends that.

    Both names of a rename are told at once: looked at one by one they would be a removal and a new file.
    """
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    folder = os.path.normpath(directory)

    class Teller(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in _READING:
                return
            paths = {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)}
            if event.event_type == "deleted" and folder in paths:
                tell(frozenset({_EVERYTHING}))
                return
            names = [os.path.basename(path) for path in paths if os.path.dirname(path) == folder]
            if names:
                tell(frozenset(Sight(name, event.event_type) for name in names))

    observer = Observer()
    try:
        observer.schedule(Teller(), folder)
        observer.start()
    except OSError as error:
        raise _unavailable(directory, error) from error

    def stop() -> None:
        observer.stop()
        observer.join()

    return stop


def _unavailable(directory: str, error: OSError) -> DirectoryUnavailable:
    return DirectoryUnavailable(f"cannot watch {directory}: {error.strerror or error}")


def difference(before: Snapshot, now: Snapshot, names: Collection[str]) -> list[Change]:
    """What happened to these names between two looks. Pure.

    A new file that has content was created and written; a name that went while its file came up under another was
    renamed.
    """
    arrived = {now[name].identity for name in names if name in now and name not in before}
    left = {before[name].identity for name in names if name in before and name not in now}
    changes: list[Change] = []
    for name in sorted(names):
        old, new = before.get(name), now.get(name)
        if new is not None:
            changes += [Change(name, op, new) for op in _ops(old, new, left)]
        elif old is not None:
            changes.append(Change(name, Op.RENAME if old.identity in arrived else Op.REMOVE, old))
    return changes


def _ops(old: Stamp | None, new: Stamp, left: Collection[tuple[int, int, int]]) -> Iterator[Op]:
    if old is None or old.inode != new.inode:
        yield Op.CREATE
        if new.size and new.identity not in left:
            yield Op.WRITE
        return
    if (old.size, old.written_ns) != (new.size, new.written_ns):
        yield Op.WRITE
    if old.mode != new.mode:
        yield Op.CHMOD


def _stamp(status: os.stat_result) -> Stamp:
    """A folder's size and time change with what is in it, which is no change of the folder."""
    inside = stat.S_ISDIR(status.st_mode)
    return Stamp(
        status.st_ino,
        status.st_mode,
        0 if inside else status.st_size,
        0 if inside else status.st_mtime_ns,
        0 if inside else status.st_ctime_ns,
    )


def _shown(name: str) -> str:
    """A name as a text: bytes of it that are no UTF-8 stand as `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _written(known: Snapshot) -> bytes:
    try:
        return msgspec.json.encode(known)
    except UnicodeEncodeError:  # a name that is no UTF-8, which only the slower one can write
        return json.dumps(msgspec.to_builtins(known)).encode()


def _read(kept: bytes) -> Snapshot:
    try:
        return msgspec.json.decode(kept, type=Snapshot)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(kept), Snapshot)


async def _next(seen: Sights, patience_s: float | None) -> set[Sight]:
    """All that was seen by now, at least one; nothing when nothing was seen in time."""
    sights: set[Sight] = set()
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            sights |= await seen.get()
    while not seen.empty():
        sights |= seen.get_nowait()
    return sights
