"""A real database, a bank of sensors on it, and the other bank played by a table of our own."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.clock import FixedClock
from bireme.kit.errors import InvalidManifest, NotFound, Problem
from bireme.kit.ids import CountedIds
from bireme.storage.open import open_database
from bireme.storage.ports import Database, Row, Transaction
from events.model import Event
from sensors.run import SensorBank
from sensors.surroundings import Surroundings

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class PlayedWorkflows:
    """The port `Workflows`: runs are rows, a manifest without an entrypoint is the user's fault."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.labelled: list[dict[str, str]] = []
        self.operations: list[tuple[str, str, str, dict[str, Any]]] = []

    def submit(self, tx: Transaction, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        name = f"{manifest['metadata'].get('generateName', '')}{firing[:5]}"
        namespace = manifest["metadata"]["namespace"]
        tx.on_commit(lambda: self.started.append(name))
        known = tx.query("SELECT uid, name FROM runs WHERE firing = ?", (firing,))
        if not known:
            tx.execute(
                "INSERT INTO runs (uid, namespace, name, phase, live, firing, labels, manifest, status, "
                "created_at) VALUES (?, ?, ?, 'Pending', 1, ?, '{}', ?, '', 0)",
                (f"uid-{firing[:8]}", namespace, name, firing, json.dumps(manifest).encode()),
            )
        if "entrypoint" not in manifest["spec"]:
            raise InvalidManifest(
                [Problem(message="entrypoint is missing", path="spec.entrypoint")]
            )
        return {"namespace": namespace, "name": name, "uid": f"uid-{firing[:8]}"}

    def firings(self, tx: Transaction, uids: Sequence[str]) -> list[str]:
        marks = ", ".join("?" * len(uids))
        rows = tx.query(f"SELECT firing FROM runs WHERE uid IN ({marks})", tuple(uids))
        return [firing for (firing,) in rows]

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        marks = ", ".join("?" * len(uids))
        rows = tx.query(f"SELECT uid FROM runs WHERE live = 1 AND uid IN ({marks})", tuple(uids))
        return {uid for (uid,) in rows}

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any], firing: str = ""
    ) -> dict[str, str]:
        self.operations.append((namespace, name, operation, options))
        return {"namespace": namespace, "name": name, "uid": ""}

    async def labels(self, namespace: str, name: str) -> dict[str, str]:
        return self.labelled.pop(0) if self.labelled else {}

    async def of_cron(self, namespace: str, name: str) -> dict[str, Any]:
        if name != "nightly":
            raise NotFound(f'cronworkflows.argoproj.io "{name}" not found')
        metadata = {"namespace": namespace, "generateName": f"{name}-", "labels": {"cron": name}}
        return {"kind": "Workflow", "metadata": metadata, "spec": {"entrypoint": "main"}}


class PlayedSecrets:
    """The port `Secrets`: one secret."""

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        if (name, key) != ("hooks", "token"):
            raise NotFound(f"there is no secret {namespace}/{name} with the key '{key}'")
        return b"Bearer s3cret\n"

    def config(self, namespace: str, name: str, key: str) -> str:
        return f"{name}.{key}"


class Deck:
    """One process: database, clock and bank. Tests publish through it and look at rows."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FixedClock(START)
        self.workflows = PlayedWorkflows()
        around = Surroundings(
            self.clock, CountedIds(), self.workflows, PlayedSecrets(), database=database
        )
        self.bank = SensorBank(database, around, rng=Half())

    async def publish(self, *events: Event) -> list[Event]:
        """Events into the log and through the bank in one transaction, as the bus does it."""
        return await self.database.write(lambda tx: self.inside(tx, events))

    def inside(
        self, tx: Transaction, events: Sequence[Event], *, unseen: bool = False
    ) -> list[Event]:
        last = int(tx.query("SELECT COALESCE(MAX(seq), 0) FROM events")[0][0])
        accepted = [with_seq(event, last + n) for n, event in enumerate(events, 1)]
        tx.executemany(
            "INSERT INTO events (seq, namespace, source, subject, id, type, time, received_at, content_type, "
            "attributes, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (e.seq, e.namespace, e.source, e.subject, e.id, e.type, e.time.timestamp(),
                 e.time.timestamp(), e.content_type, "{}", e.data)
                for e in accepted
            ],
        )  # fmt: skip
        if not unseen:
            self.bank.consume(tx, accepted)
        return accepted

    async def append(self, *events: Event) -> None:
        """Events into the log while no bank is looking."""
        await self.database.write(lambda tx: self.inside(tx, events, unseen=True))

    async def rows(self, sql: str, *params: Any) -> list[Row]:
        return await self.database.read(sql, params)

    async def outcomes(self) -> list[tuple[Any, ...]]:
        return await self.rows(
            "SELECT seq, sensor, trigger_name, dependency, outcome FROM decisions ORDER BY id"
        )

    async def firings(self) -> list[tuple[Any, ...]]:
        return await self.rows(
            "SELECT trigger_name, status, attempts, error FROM firings ORDER BY created_at, trigger_name"
        )


class Half:
    """Chance that always falls in the middle."""

    def random(self) -> float:
        return 0.5


def with_seq(event: Event, seq: int) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return Event(**{**fields, "seq": seq})


Sensor = dict[str, Any]
Make = Callable[..., Any]


@pytest.fixture
def make_event() -> Make:
    def make(id: str, subject: str = "a", data: Any = None, **more: Any) -> Event:
        fields: dict[str, Any] = {
            "source": "src",
            "namespace": "default",
            "type": "webhook",
            **more,
        }
        body = json.dumps({"body": {"n": 1}} if data is None else data).encode()
        return Event(
            id=id, subject=subject, data=body, time=more.pop("time", START),
            **{key: fields[key] for key in ("source", "namespace", "type")},
        )  # fmt: skip

    return make


@pytest.fixture
def make_sensor() -> Make:
    def make(
        *triggers: dict[str, Any], names: str = "a", name: str = "s", **filters: Any
    ) -> Sensor:
        return {
            "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
            "spec": {
                "dependencies": [
                    {"name": dep, "eventSourceName": "src", "eventName": dep, **filters}
                    for dep in names.split()
                ],
                "triggers": list(triggers),
            },
        }

    return make


@pytest.fixture
def submit() -> Make:
    """A trigger that submits a workflow with the event's number as its parameter."""

    def make(
        name: str = "t", conditions: str = "", entrypoint: str = "main", **more: Any
    ) -> Sensor:
        spec = {"entrypoint": entrypoint} if entrypoint else {}
        return {
            "template": {
                "name": name,
                "conditions": conditions,
                "argoWorkflow": {
                    "operation": "submit",
                    "source": {
                        "resource": {
                            "kind": "Workflow",
                            "metadata": {"generateName": "w-"},
                            "spec": spec,
                        }
                    },
                    "parameters": [
                        {
                            "src": {"dependencyName": "a", "dataKey": "body.n"},
                            "dest": "spec.arguments.parameters.0.value",
                        }
                    ],
                },
            },
            **more,
        }

    return make


Reopen = Callable[[], AbstractAsyncContextManager[Deck]]


@pytest.fixture
def place(tmp_path: Path) -> str:
    """Where the database of this test is; `test_keyed_bank` runs on both kinds."""
    return str(tmp_path / "bireme.db")


@pytest.fixture
def open_deck(place: str) -> Reopen:
    """Start a process on the database of this test; stop it at the end of the block."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Deck]:
        database = await open_database(place)
        try:
            yield Deck(database)
        finally:
            await database.close()

    return opened


@pytest.fixture
async def deck(open_deck: Reopen) -> AsyncIterator[Deck]:
    async with open_deck() as opened:
        yield opened


@pytest.fixture
def hours() -> Callable[[float], timedelta]:
    return lambda n: timedelta(hours=n)
