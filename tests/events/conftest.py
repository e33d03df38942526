"""What event tests stand on: a database, buses, a bank on free ports, a client."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import aiohttp
import pytest

from bireme.kit.clock import SystemClock
from bireme.kit.errors import NotFound
from bireme.kit.ids import CountedIds
from bireme.storage.open import open_database
from bireme.storage.ports import Database
from events import poison
from events.buses.sqlite import SqliteBus
from events.http import Listeners
from events.model import Event
from events.poison import StoredPoison
from events.ports import Overtaken, Place
from events.run import EventBank
from events.state import StoredState
from tests.servers import process
from tests.servers.waiting import until

NOTHING: Mapping[str, bytes | None] = MappingProxyType({})


class GivenSecrets:
    """Secrets by (name, key)."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], bytes] = {}

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        try:
            return self.values[name, key]
        except KeyError:
            raise NotFound(f"no secret {namespace}/{name} key {key}") from None

    def config(self, namespace: str, name: str, key: str) -> str:
        return self.secret(namespace, name, key).decode()


class KeptState:
    """A source's memory, in memory."""

    def __init__(self) -> None:
        self.kept: dict[Place, bytes] = {}
        self.noted: dict[Place, dict[str, bytes]] = {}

    async def load(self, place: Place) -> bytes | None:
        return self.kept.get(place)

    async def save(self, place: Place, state: bytes) -> None:
        self.kept[place] = state

    async def facts(self, place: Place) -> dict[str, bytes]:
        return dict(self.noted.get(place, {}))

    def note_inside(
        self,
        tx: Any,
        place: Place,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None] = NOTHING,
    ) -> None:
        raise AssertionError("a memory without a database has no transaction")

    async def note(
        self,
        place: Place,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None] = NOTHING,
    ) -> None:
        known = self.noted.setdefault(place, {})
        if any(known.get(name) != fact for name, fact in after.items()):
            raise Overtaken(f"{place.subject}: somebody else has moved on")
        for name, fact in facts.items():
            if fact is None:
                known.pop(name, None)
            else:
                known[name] = fact


class Bench:
    """A bank over a real log, and its client."""

    def __init__(self, database: Database, secrets: GivenSecrets) -> None:
        self.database = database
        self.secrets = secrets
        self.listeners = Listeners("127.0.0.1")
        self.bus = SqliteBus(database, SystemClock())
        self.client = aiohttp.ClientSession()
        self.bank = EventBank(
            bus_of=lambda *_: self.bus,
            clock=SystemClock(),
            ids=CountedIds(),
            secrets=secrets,
            state=StoredState(database),
            http=self.listeners,
            poison=StoredPoison(database, SystemClock()),
        )

    async def apply(self, spec: dict[str, Any], name: str = "hooks") -> None:
        await self.bank.apply(manifest(spec, name))
        await self.bank.settled()

    async def events(self) -> list[Event]:
        async for events in self.bus.read("test", 0):
            return list(events)
        return []

    async def arrived(self, count: int, patience_s: float = 60) -> list[Event]:
        """The log once it holds that many events. What a real server sends takes its time."""

        async def are_here() -> bool:
            rows = await self.database.read("SELECT count(*) FROM events")
            return bool(rows[0][0] >= count)

        await until(are_here, f"{count} events", patience_s)
        return await self.events()

    async def poison(self) -> list[dict[str, Any]]:
        """What was set aside, with bodies."""
        found = await poison.listed(self.database)
        return [await poison.find(self.database, one["id"]) for one in found]

    async def close(self) -> None:
        await self.client.close()
        await self.bank.close()
        await self.listeners.close()


def manifest(spec: dict[str, Any], name: str = "hooks") -> Any:
    """An EventSource as the bank takes it."""
    metadata = SimpleNamespace(name=name, namespace="default")
    return SimpleNamespace(metadata=metadata, raw={"spec": spec})


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "events.db")
    yield opened
    await opened.close()


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    opened = Bench(database, GivenSecrets())
    yield opened
    await opened.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    return process.free_port
