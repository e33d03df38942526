"""Clients that triggers keep between firings: opened once per target and credentials, closed when idle or broken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C")

_MOST = 64


@dataclass(slots=True)
class _Held(Generic[C]):
    """A client, how many firings are using it, and whether it is to be closed after the last one."""

    client: C
    users: int = 0
    is_stale: bool = False


class Clients(Generic[C]):
    """Keeps at most 64. A key holds all that the client was made of, so that a new secret is a new client."""

    def __init__(self, close: Callable[[C], Awaitable[object]]) -> None:
        self._close = close
        self._kept: dict[Hashable, _Held[C]] = {}
        self._opening: dict[Hashable, asyncio.Lock] = {}

    @asynccontextmanager
    async def use(self, key: Hashable, open: Callable[[], Awaitable[C]]) -> AsyncIterator[C]:
        """The client of `key`, opened if need be; one on which something failed is not used again."""
        held = await self._held(key, open)
        held.users += 1
        try:
            yield held.client
        except BaseException:
            self._retire(key, held)
            raise
        finally:
            held.users -= 1
            await self._tidy(held)

    async def close(self) -> None:
        """Close all of them."""
        kept, self._kept = self._kept, {}
        for held in kept.values():
            await self._close(held.client)

    async def _held(self, key: Hashable, open: Callable[[], Awaitable[C]]) -> _Held[C]:
        async with self._opening.setdefault(key, asyncio.Lock()):
            if key not in self._kept:
                self._kept[key] = _Held(await open())
        self._opening.pop(key, None)
        return self._kept[key]

    def _retire(self, key: Hashable, held: _Held[C]) -> None:
        held.is_stale = True
        if self._kept.get(key) is held:
            del self._kept[key]

    async def _tidy(self, held: _Held[C]) -> None:
        if held.is_stale and not held.users:
            await self._close(held.client)
        while len(self._kept) > _MOST:
            idle = next((key for key, one in self._kept.items() if not one.users), None)
            if idle is None:
                return
            await self._close(self._kept.pop(idle).client)
