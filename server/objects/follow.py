"""The objects that another process applies: given to the takers of this one as they change."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from bireme.kit.errors import BiremeError
from bireme.storage.ports import Database
from server.objects import store
from server.objects.model import Key, StoredObject, rank
from server.objects.run import Taker

log = structlog.get_logger(__name__)


class FollowedObjects:
    """`refresh` reads what has changed. What a taker refuses is reported and left out; it never stops the others.

    `seen` is told the number of changes that were read, once everything up to it has been given.
    """

    def __init__(
        self, database: Database, takers: Mapping[str, Taker], seen: Callable[[int], None]
    ) -> None:
        self._database = database
        self._takers = takers
        self._seen = seen
        self._known: dict[Key, StoredObject] = {}
        self._version = -1
        self._turn = asyncio.Lock()

    async def refresh(self) -> None:
        """Look, and read everything if anything has changed. Raises StorageUnavailable."""
        async with self._turn:
            version = await store.version(self._database)  # before the rows: they may only be newer
            if version == self._version:
                return
            now = {
                stored.key: stored
                for stored in await store.load(self._database)
                if stored.kind in self._takers
            }
            for key in [key for key in self._known if key not in now]:
                await self._remove(key)
            for stored in sorted(now.values(), key=lambda one: rank(one.kind)):
                if self._known.get(stored.key) != stored:
                    await self._give(stored)
            self._version = version
            self._seen(version)

    async def _give(self, stored: StoredObject) -> None:
        try:
            await self._takers[stored.kind].apply(stored)
        except BiremeError as error:
            log.error("object_refused", kind=stored.kind, name=stored.name, error=str(error))
        self._known[stored.key] = stored

    async def _remove(self, key: Key) -> None:
        kind, namespace, name = key
        await self._takers[kind].remove(namespace, name)
        del self._known[key]
