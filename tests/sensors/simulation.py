"""A whole bank of sensors under a seed: random sensors, random events, crashes at every commit and every await.

One run is one life of a database with many lives of a process: whatever asks the database for anything, or a target to
act, may find itself dead, before or after the commit. `python -m tests.sensors.simulation COUNT` plays many seeds.

What must hold in the end, once windows are over, runs have ended and targets are well:

- no event is part of two firings of one trigger, and no firing acts on its target twice;
- every event ends at every trigger as fired, filtered, held, or with a reason why not: none is forgotten;
- what is gathered is gathered whole, and no key ever has more runs than its limit.
"""

import asyncio
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, TypeVar

from bireme.kit.ids import CountedIds
from bireme.storage.migrate import migrations
from bireme.storage.ports import Row, Transaction
from events.buses.sqlite import SqliteBus
from events.model import Event
from sensors import store
from sensors.errors import TriggerFailed
from sensors.model import Firing, Origin, Receipt
from sensors.run import SensorBank
from sensors.surroundings import Surroundings

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c")
KEYS = ("x", "y")
EVENTS = 25
_TERMINAL = frozenset(
    ("fired", "throttled", "filtered", "superseded", "deduplicated", "expired", "error", "held", "queued", "dropped")
)  # fmt: skip


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is that of the next timer, at once: nothing outside is waited for here."""

    _passed = 0.0

    def time(self) -> float:
        return self._passed

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._passed = max(self._passed, self._scheduled[0]._when)
        super()._run_once()


@lru_cache
def _empty() -> sqlite3.Connection:
    """A database with our tables, to copy from."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migration in migrations("sqlite"):
        for statement in migration.statements:
            connection.execute(statement)
    return connection


class Disk:
    """What survives: the committed rows. A crash of the process leaves them as they are."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        _empty().backup(self.connection)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self.connection.execute(sql, params).fetchall()

    def close(self) -> None:
        self.connection.close()


class _Tx:
    """A transaction on the disk; what is to be done on commit is kept."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.callbacks: list[Callable[[], None]] = []

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self.disk.connection.execute(sql, params).rowcount

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        self.disk.connection.executemany(sql, [(*shared, *row) for row in rows])

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self.disk.query(sql, params)

    def on_commit(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)


class Life:
    """One life of the process. `may_end` is asked wherever a process may die; once dead, nothing answers any more."""

    def __init__(self, disk: Disk, rng: Random, chance: float) -> None:
        self.disk = disk
        self.rng = rng
        self.chance = chance
        self.over = asyncio.Event()
        self.units: list[asyncio.Future[None]] = []

    async def may_end(self) -> None:
        if not self.over.is_set() and self.rng.random() < self.chance:
            self.over.set()
        if self.over.is_set():
            await asyncio.get_running_loop().create_future()

    def submit(self, work: Callable[[Transaction], T]) -> "asyncio.Future[T]":
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def unit() -> None:
            try:
                future.set_result(await self.write(work))
            except Exception as error:
                future.set_exception(error)

        self.units.append(asyncio.ensure_future(unit()))
        return future

    async def write(self, work: Callable[[Transaction], T]) -> T:
        await asyncio.sleep(0)
        await self.may_end()
        tx = _Tx(self.disk)
        tx.execute("BEGIN")
        try:
            result = work(tx)
            dies = self.rng.random() < self.chance
            tx.execute("ROLLBACK" if dies else "COMMIT")
        except BaseException:
            tx.execute("ROLLBACK")
            raise
        if dies:
            self.over.set()
        await self.may_end()
        for callback in tx.callbacks:
            callback()
        return result

    async def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        await asyncio.sleep(0)
        await self.may_end()
        return self.disk.query(sql, params)

    async def close(self) -> None:
        """Nothing to close: the disk goes on."""


class Targets:
    """The world outside: what has been acted on there, by firing. Not all that is asked of it succeeds."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.failing = 0.3
        self.acts: Counter[str] = Counter()
        self.life: Life | None = None

    def prepare(self, definition: Any, events: Any, origin: Origin) -> dict[str, Any]:
        return {"events": {name: event.data.decode() for name, event in events.items()}}

    async def fire(self, firing: Firing) -> Receipt:
        assert self.life is not None
        await self.life.may_end()
        if self.rng.random() < self.failing:
            raise TriggerFailed("the target is down")
        self.acts[firing.id] = 1  # idempotent by the firing's id, as targets are told to be
        await self.life.may_end()
        return Receipt(kind="Simulated")

    async def close(self) -> None:
        """Holds nothing."""


class Runs:
    """The other bank: workflows as rows, which the world ends by and by."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.most: Counter[str] = Counter()

    def submit(self, tx: Transaction, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        key = manifest["spec"]["key"]
        tx.execute(
            "INSERT INTO runs (uid, namespace, name, phase, live, firing, labels, manifest, status, "
            "created_at) VALUES (?, 'default', ?, 'Running', 1, ?, ?, x'', x'', 0) ON CONFLICT DO NOTHING",
            (firing, firing, firing, key),
        )
        (live,) = tx.query("SELECT COUNT(*) FROM runs WHERE live = 1 AND labels = ?", (key,))[0]
        self.most[key] = max(self.most[key], live)
        return {"namespace": "default", "name": firing, "uid": firing}

    def firings(self, tx: Transaction, uids: Sequence[str]) -> list[str]:
        marks = ", ".join("?" * len(uids))
        rows = tx.query(f"SELECT firing FROM runs WHERE uid IN ({marks})", tuple(uids))
        return [firing for (firing,) in rows]

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        rows = tx.query("SELECT uid FROM runs WHERE live = 1")
        return {uid for (uid,) in rows} & set(uids)

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any], firing: str = ""
    ) -> dict[str, str]:
        assert (operation, bool(options["by"])) == ("terminate", True)
        self.disk.connection.execute("UPDATE runs SET live = 0 WHERE name = ?", (name,))
        return {}

    async def of_cron(self, namespace: str, name: str) -> dict[str, Any]:
        raise AssertionError("nothing asks for schedules here")

    def end_one(self, rng: Random) -> None:
        live = [
            name
            for (name,) in self.disk.query("SELECT name FROM runs WHERE live = 1 ORDER BY name")
        ]
        if live:
            self.disk.connection.execute(
                "UPDATE runs SET live = 0 WHERE name = ?", (rng.choice(live),)
            )


class SteppingClock:
    """The loop's time, set forward and back by whoever plays."""

    def __init__(self) -> None:
        self.off = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic() + self.off)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))


class NoSecrets:
    def secret(self, namespace: str, name: str, key: str) -> bytes:
        raise KeyError(name)

    def config(self, namespace: str, name: str, key: str) -> str:
        raise KeyError(name)


class Play:
    """One seed, from the first event to the end of everything."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.disk = Disk()
        self.clock = SteppingClock()
        self.targets = Targets(self.rng)
        self.runs = Runs(self.disk)
        self.sensor = random_sensor(self.rng)
        self.chance = self.rng.choice((0.0, 0.01, 0.05))
        self.accepted: set[str] = set()
        self.lives = 0
        self.edits = 0

    async def run(self) -> None:
        try:
            await self._events()
            self.chance, self.targets.failing = 0.0, 0.0
            await self._quiet()
            self._check()
        finally:
            self.disk.close()

    async def _events(self) -> None:
        waiting = [_event(self.rng, n) for n in range(EVENTS)]
        while waiting:
            life, bank, bus = self._born()
            bank_task = asyncio.ensure_future(bank.run())
            sender = asyncio.ensure_future(self._send(bank, bus, waiting))
            death = asyncio.ensure_future(life.over.wait())
            await asyncio.wait({sender, death}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
            life.over.set()
            await _bury(bank_task, sender, death, *life.units)

    async def _send(self, bank: SensorBank, bus: SqliteBus, waiting: list[Event]) -> None:
        """A sender goes on until the event was accepted; some events are sent twice, some out of order."""
        rng = self.rng
        while waiting:
            await asyncio.sleep(rng.choice((0.0, 0.5, 3.0, 20.0)))
            self._happen(bank)
            event = waiting[0] if rng.random() < 0.7 else rng.choice(waiting)
            await bus.publish([event])
            self.accepted.add(event.id)
            if rng.random() < 0.8:
                waiting.remove(event)

    def _happen(self, bank: SensorBank) -> None:
        rng = self.rng
        if rng.random() < 0.3:
            self.runs.end_one(rng)
        if rng.random() < 0.03:
            self.clock.off += rng.choice((-40.0, 40.0))
        if rng.random() < 0.02:
            self.edits += 1
            dependency = self.sensor["spec"]["dependencies"][0]
            self.sensor = json.loads(json.dumps(self.sensor))
            self.sensor["spec"]["dependencies"][0] = {**dependency, "filters": {"data": []}}
            bank.add(self.sensor)

    async def _quiet(self) -> None:
        """Time passes until nothing is open any more."""
        life, bank, _ = self._born()
        task = asyncio.ensure_future(bank.run())
        for _ in range(30):
            await asyncio.sleep(30)
            self.disk.connection.execute("UPDATE runs SET live = 0")
        await _bury(task, *life.units)

    def _born(self) -> tuple[Life, SensorBank, SqliteBus]:
        self.lives += 1
        life = self.targets.life = Life(self.disk, self.rng, self.chance)
        around = Surroundings(self.clock, CountedIds(), self.runs, NoSecrets(), database=life)
        bank = SensorBank(life, around, rng=self.rng)
        bank.outbox._triggers["simulated"] = self.targets
        bank.add(self.sensor)
        return life, bank, SqliteBus(life, self.clock, bank.consume)

    def _check(self) -> None:
        triggers = {t["template"]["name"]: t["template"] for t in self.sensor["spec"]["triggers"]}
        decisions = self.disk.query(
            "SELECT seq, trigger_name, dependency, outcome, firing FROM decisions"
        )
        events = dict(self.disk.query("SELECT seq, subject FROM events"))
        assert len(events) == len(self.accepted)
        firings = {
            id: (trigger, status)
            for id, trigger, status in self.disk.query(
                "SELECT id, trigger_name, status FROM firings"
            )
        }
        states = store.states(_Tx(self.disk), "default/s")
        kept = {
            name: {s.event.seq for s in state.stored.values()} for name, state in states.items()
        }
        left = self.disk.query("SELECT * FROM sensor_cells WHERE kind IN ('join', 'coalesce')")
        assert left == [], "windows and gatherings end"
        part_of: dict[tuple[str, int], set[str]] = {}
        ends: dict[tuple[str, int], set[str]] = {}
        for seq, trigger, _, outcome, firing in decisions:
            ends.setdefault((trigger, seq), set()).add(outcome)
            if firing and outcome in ("fired", "throttled", "held", "queued"):
                part_of.setdefault((trigger, seq), set()).add(firing)
        for where, ids in part_of.items():
            assert len(ids) == 1, f"{where} is part of {ids}"
        for name, template in triggers.items():
            wanted = _names(template)
            for seq, subject in events.items():
                if subject in wanted:
                    found = ends.get((name, seq), set())
                    is_kept = seq in kept.get(name, ())
                    assert found & _TERMINAL or is_kept, (
                        f"event {seq} is forgotten at {name}: {found}"
                    )
                    if (
                        set(template) <= {"name", "conditions", "simulated", "argoWorkflow"}
                        and len(wanted) == 1
                    ):
                        assert part_of.get((name, seq)), f"event {seq} never fired {name}"
        for id, (trigger, status) in firings.items():
            assert status not in ("pending", "queued"), (
                f"firing {id} of {trigger} is still {status}"
            )
            if status == "fired" and "simulated" in triggers[trigger]:
                assert self.targets.acts[id], f"firing {id} is fired but never acted"
        for id in self.targets.acts:
            assert firings[id][1] in ("fired", "dead", "replaced"), f"{id}: {firings[id]}"
        self._check_limits(triggers)

    def _check_limits(self, triggers: dict[str, Any]) -> None:
        for name, template in triggers.items():
            wish = template.get("concurrency")
            if wish and wish["onConflict"] != "replace":
                most = max((n for key, n in self.runs.most.items() if key == name), default=0)
                assert most <= wish["limit"], f"{name} had {most} runs at a time"


def random_sensor(rng: Random) -> dict[str, Any]:
    return {
        "metadata": {"name": "s", "namespace": "default", "uid": "u"},
        "spec": {
            "dependencies": [{"name": n, "eventSourceName": "src", "eventName": n} for n in NAMES],
            "triggers": [{**_trigger(rng, f"t{n}")} for n in range(rng.randint(1, 3))],
        },
    }


def _trigger(rng: Random, name: str) -> dict[str, Any]:
    template: dict[str, Any] = {
        "name": name,
        "conditions": rng.choice(("a", "a || b", "a && b", "a && (b || c)")),
    }
    if "&&" in template["conditions"] and rng.random() < 0.7:
        template["join"] = {
            "key": "body.key",
            "within": rng.choice(("5s", "60s")),
            "mode": rng.choice(("latest", "first", "all", "zip")),
            "onTimeout": rng.choice(("drop", "fire-partial", "dead-letter")),
        }
    if rng.random() < 0.3:
        template["coalesce"] = {
            "quiet": "4s",
            "max": "30s",
            "maxEvents": rng.choice((2, 1000)),
            "key": rng.choice(("", "body.key")),
        }
    if rng.random() < 0.3:
        template["breaker"] = {"max": 2, "per": "10s"}
    if rng.random() < 0.4:
        template["concurrency"] = {
            "limit": rng.choice((1, 2)),
            "onConflict": rng.choice(("queue", "replace", "drop")),
        }
    if rng.random() < 0.5:
        manifest = {"kind": "Workflow", "metadata": {"generateName": "w-"}, "spec": {"key": name}}
        template["argoWorkflow"] = {"operation": "submit", "source": {"resource": manifest}}
    else:
        template["simulated"] = {}
    retry = {"retryStrategy": {"steps": 30, "duration": "1s"}}
    return {"template": template, **retry}


def _names(template: dict[str, Any]) -> set[str]:
    return {
        name
        for name in NAMES
        if name in template["conditions"].split()
        or f"({name}" in template["conditions"]
        or f"{name})" in template["conditions"]
    }


def _event(rng: Random, n: int) -> Event:
    subject = rng.choice(NAMES)
    return Event(
        id=f"e{n}", dedup=f"e{n}", namespace="default", source="src", subject=subject, type="webhook",
        time=START, data=json.dumps({"body": {"key": rng.choice(KEYS), "n": n}}).encode(),
    )  # fmt: skip


async def _bury(*tasks: "asyncio.Future[Any]") -> None:
    """Whatever still runs in a dead process stops."""
    for _ in range(3):
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=10)
        if not left:
            return
    raise AssertionError(f"still running: {left}")


def play(seed: int) -> Play:
    """Play one seed in virtual time. Raises AssertionError for what must not be."""
    loop = VirtualLoop()
    done = Play(seed)
    try:
        loop.run_until_complete(done.run())
    finally:
        loop.close()
    return done


def main(count: int) -> None:
    lives = 0
    for seed in range(count):
        try:
            lives += play(seed).lives
        except BaseException:
            sys.stderr.write(f"seed {seed} failed\n")
            raise
    sys.stdout.write(f"{count} seeds, {lives} lives: nothing lost, nothing twice\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
