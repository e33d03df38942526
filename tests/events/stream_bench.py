"""What the tests of message sources ask of their bench."""

import asyncio
import json
from typing import Any

from bireme.storage.ports import StorageUnavailable
from tests.servers.waiting import until


def payload(event: Any) -> Any:
    return json.loads(event.data)


def bodies(events: Any) -> list[Any]:
    return [payload(event)["body"] for event in events]


async def again(bench: Any) -> None:
    """Until the source listens, after its server came back."""
    await until(lambda: bench.bank.status()[0].state == "listening", "it listens again")


async def fails(bench: Any) -> str:
    await until(lambda: bench.bank.status()[0].state == "waiting to restart", "it is said")
    return str(bench.bank.status()[0].error)


class AwayForAWhile:
    """The log's disk is full for the first two publications."""

    def __init__(self, bench: Any) -> None:
        self.refused = 0
        self._publish = bench.bus.publish
        bench.bus.publish = self

    async def __call__(self, events: Any, also: Any = None) -> Any:
        if self.refused < 2:
            self.refused += 1
            raise StorageUnavailable("the disk is full")
        return await self._publish(events, also)


class Hangs:
    """No publication ends, until `release`. `begun` tells of the first."""

    def __init__(self, bench: Any) -> None:
        self.begun = asyncio.Event()
        self._bus, self._publish = bench.bus, bench.bus.publish
        bench.bus.publish = self

    async def __call__(self, events: Any, also: Any = None) -> Any:
        self.begun.set()
        await asyncio.get_running_loop().create_future()

    def release(self) -> None:
        self._bus.publish = self._publish
