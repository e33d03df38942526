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
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from enum import IntFlag
from typing import NamedTuple

import msgspec
import orjson

from bireme.kit.errors import ServiceError
from events import fields
from events.patience import publish_until_durable
from events.ports import BadSourceConfig, EventsError, NewEvent, Publish, Surroundings
from events.registry import sources

_POLL_S = 0.1
_SAVE_AFTER_S = 1.0
_ALL = ""  # stands for every name of the directory
_READING = frozenset({"opened", "closed_no_write"})


class Op(IntFlag):
    """What happened to a file; the numbers are upstream's."""

    CREATE = 1
    WRITE = 2
    REMOVE = 4
    RENAME = 8
    CHMOD = 16


class Stamp(NamedTuple):
    """What one look at a file tells. Only `changed_ns` never returns to an earlier value."""

    inode: int
    mode: int
    size: int
    written_ns: int
    changed_ns: int


class Change(NamedTuple):
    name: str
    op: Op
    stamp: Stamp


Snapshot = dict[str, Stamp]


class DirectoryUnavailable(EventsError, ServiceError):
    """The watched directory is missing or cannot be read."""

    retriable = True
    blame = "service"


class WatchPath(fields.Fields, frozen=True, kw_only=True):
    """Which files: one by `path`, or those whose name `pathRegexp` is found in; both relative to `directory`."""

    directory: str = ""
    path: str = ""
    path_regexp: str = ""


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
                self._known = msgspec.json.decode(kept, type=Snapshot)
                await self._look_at(publish, {_ALL})
            await self._save()
            self._around.ready()
            await self._follow(publish, seen)

    async def _follow(self, publish: Publish, seen: "asyncio.Queue[str]") -> None:
        """Look where something was seen. What is known is written down once it has been quiet for a moment."""
        saved = True
        while True:
            names = await self._names(seen, saved)
            if names and await self._look_at(publish, names):
                saved = False
            elif not saved:
                await self._save()
                saved = True

    async def _names(self, seen: "asyncio.Queue[str]", saved: bool) -> set[str]:
        if self._polling:
            await self._around.clock.sleep(_POLL_S)
            return {_ALL}
        return await _next(seen, patience_s=None if saved else _SAVE_AFTER_S)

    async def _look_at(self, publish: Publish, names: set[str]) -> bool:
        if _ALL in names:
            now = await asyncio.to_thread(self._scan)
            return await self._report(publish, now, self._known.keys() | now.keys())
        now = await asyncio.to_thread(self._look, names)
        return await self._report(publish, now, names)

    async def _report(self, publish: Publish, now: Snapshot, names: Collection[str]) -> bool:
        """Publish what changed of these names, then know it. True when anything had changed."""
        changes = difference(self._known, now, names)
        events = [self._event(change) for change in changes if change.op in self._ops]
        if events:
            await publish_until_durable(publish, events, self._around.clock)
        for name in names:
            if name in now:
                self._known[name] = now[name]
            else:
                self._known.pop(name, None)
        return bool(changes)

    def _event(self, change: Change) -> NewEvent:
        payload = {
            "name": os.path.join(self._directory, change.name),
            "op": int(change.op),
            "metadata": self._metadata,
        }
        key = orjson.dumps([change.name, change.op.name, *change.stamp])
        return NewEvent(data=orjson.dumps(payload), dedup=key.decode())

    async def _save(self) -> None:
        await self._around.state.save(self._around.place, msgspec.json.encode(self._known))

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
    def _watched(self) -> Iterator["asyncio.Queue[str]"]:
        """A queue of the names at which the kernel saw something."""
        seen: asyncio.Queue[str] = asyncio.Queue()
        if self._polling:
            yield seen
            return
        loop = asyncio.get_running_loop()
        stop = _watch(
            self._directory, lambda name: loop.call_soon_threadsafe(seen.put_nowait, name)
        )
        try:
            yield seen
        finally:
            stop()


def _watch(directory: str, tell: Callable[[str], object]) -> Callable[[], None]:
    """Have the kernel's notifications of this directory told by name; returns what ends that."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    folder = os.path.normpath(directory)

    class Teller(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in _READING:
                return
            for path in {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)}:
                if os.path.dirname(path) == folder:
                    tell(os.path.basename(path))
                elif path == folder and event.event_type == "deleted":
                    tell(_ALL)

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

    A new file that has content was created and written; a name that went while its inode came up under another was
    renamed.
    """
    arrived = {now[name].inode for name in names if name in now and name not in before}
    left = {before[name].inode for name in names if name in before and name not in now}
    changes: list[Change] = []
    for name in sorted(names):
        old, new = before.get(name), now.get(name)
        if new is not None:
            changes += [Change(name, op, new) for op in _ops(old, new, left)]
        elif old is not None:
            changes.append(Change(name, Op.RENAME if old.inode in arrived else Op.REMOVE, old))
    return changes


def _ops(old: Stamp | None, new: Stamp, left: Collection[int]) -> Iterator[Op]:
    if old is None or old.inode != new.inode:
        yield Op.CREATE
        if new.size and new.inode not in left:
            yield Op.WRITE
        return
    if (old.size, old.written_ns) != (new.size, new.written_ns):
        yield Op.WRITE
    if old.mode != new.mode:
        yield Op.CHMOD


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


async def _next(seen: "asyncio.Queue[str]", patience_s: float | None) -> set[str]:
    """All names seen by now, at least one; none when nothing was seen in time."""
    names: set[str] = set()
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            names.add(await seen.get())
    while not seen.empty():
        names.add(seen.get_nowait())
    return names
