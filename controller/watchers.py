"""Who follows which workflows. Changes are coalesced: a slow follower sees the latest state, not every step."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from controller.model import Change, Json, WatchType

Describe = Callable[[str], Awaitable[Json | None]]


class Follower:
    """One watch: what has changed since it last looked, by run, oldest first."""

    def __init__(self) -> None:
        self._changed: dict[str, tuple[WatchType, Json | None]] = {}
        self._some = asyncio.Event()

    def put(self, uid: str, type: WatchType, described: Json | None) -> None:
        """`described` is the object where it will not be there to ask later."""
        before = self._changed.get(uid)
        if before is not None and before[0] == "ADDED" and type == "MODIFIED":
            type = "ADDED"
        self._changed[uid] = (type, described)
        self._some.set()

    async def next(self, describe: Describe) -> Change:
        """The next change; waits for one. A workflow that vanished before it was described is skipped."""
        while True:
            await self._some.wait()
            uid = next(iter(self._changed))
            type, described = self._changed.pop(uid)
            if not self._changed:
                self._some.clear()
            found = described if described is not None else await describe(uid)
            if found is not None:
                return Change(type, found)


class Watchers:
    """All watches. Telling costs nothing when nobody follows."""

    def __init__(self) -> None:
        self._followers: dict[Follower, Callable[[str, str], bool]] = {}

    @property
    def any(self) -> bool:
        return bool(self._followers)

    def tell(
        self, who: Any, type: WatchType = "MODIFIED", described: Callable[[], Json] | None = None
    ) -> None:
        """`who` has uid, namespace and name. `described` is asked at most once, and only if somebody follows."""
        made: Json | None = None
        for follower, wants in self._followers.items():
            if wants(who.namespace, who.name):
                if made is None and described is not None:
                    made = described()
                follower.put(who.uid, type, made)

    @contextmanager
    def follow(self, wants: Callable[[str, str], bool]) -> Iterator[Follower]:
        """A follower of the workflows for which `wants(namespace, name)` holds, until the block ends."""
        follower = Follower()
        self._followers[follower] = wants
        try:
            yield follower
        finally:
            del self._followers[follower]
