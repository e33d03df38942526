"""The log in the database: one commit with what the events cause, dedup that survives, retention that waits."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bireme.kit.clock import FixedClock
from bireme.storage.open import open_database
from bireme.storage.ports import Database, StorageUnavailable, Transaction
from events import store
from events.buses.sqlite import Retention, SqliteBus
from events.model import Event

NOTE = "INSERT INTO cursors (consumer, position) VALUES (?, ?)"


def event(id: str = "e", dedup: str = "") -> Event:
    return Event(
        id=id,
        namespace="default",
        source="hooks",
        subject="push",
        type="webhook",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data=b"{}",
        dedup=dedup,
    )


async def kept(database: Database) -> list[int]:
    return [row[0] for row in await database.read("SELECT seq FROM events ORDER BY seq")]


async def test_events_of_many_kinds_in_one_publication_are_kept_as_they_are(
    database: Database,
) -> None:
    """The log is told once what events share; whoever reads must not see that."""
    bus = SqliteBus(database, FixedClock())
    given = []
    for n in range(60):
        more = {"attributes": {"n": str(n % 2)}} if n % 3 else {}
        source = "rare" if n % 20 == 0 else f"s{n % 4 // 3}"
        one = msgspec.structs.replace(event(f"e{n}"), source=source, bus="b" * (n % 2), **more)
        given.append(one)
    accepted = await bus.publish(given)
    found = await store.read_after(database, 0, 100)
    assert found == list(accepted)
    plain = [msgspec.structs.replace(one, seq=0, received_at=None) for one in found]
    assert plain == given


async def test_the_pipeline_writes_in_the_publishing_transaction(database: Database) -> None:
    def pipeline(tx: Transaction, events: Sequence[Event]) -> None:
        assert [found.id for found in store.after(tx, 0, 10)] == [one.id for one in events]
        store.move_cursor(tx, "sensors", events[-1].seq)

    await SqliteBus(database, FixedClock(), pipeline).publish([event("a"), event("b")])
    assert await database.read("SELECT consumer, position FROM cursors") == [("sensors", 2)]


async def test_the_pipeline_gets_only_what_is_new(database: Database) -> None:
    given: list[str] = []
    bus = SqliteBus(database, FixedClock(), lambda tx, events: given.extend(e.id for e in events))
    await bus.publish([event("a", "d")])
    await bus.publish([event("b", "d")])
    await bus.publish([event("c", "d"), event("e", "f")])
    assert given == ["a", "e"]
    assert (bus.published, bus.duplicates) == (2, 2)


async def test_a_pipeline_that_fails_leaves_no_event_and_harms_nobody_else(
    database: Database,
) -> None:
    def pipeline(tx: Transaction, events: Sequence[Event]) -> None:
        tx.executemany(NOTE, [(one.id, one.seq) for one in events])
        if any(one.id == "poison" for one in events):
            raise LookupError("poison")

    bus = SqliteBus(database, FixedClock(), pipeline)
    gate = threading.Event()
    blocked = database.submit(lambda tx: gate.wait(5))
    together = [bus.publish([event(id)]) for id in ("a", "poison", "b")]
    publishing = asyncio.gather(*together, return_exceptions=True)
    await asyncio.sleep(0)
    gate.set()
    await blocked
    results = await publishing
    assert isinstance(results[1], LookupError)
    assert await database.read("SELECT id FROM events ORDER BY seq") == [("a",), ("b",)]
    assert await database.read("SELECT consumer FROM cursors ORDER BY position") == [
        ("a",),
        ("b",),
    ]


async def test_publishers_that_wait_together_share_one_commit(database: Database) -> None:
    batches: list[int] = []
    bus = SqliteBus(database, FixedClock(), lambda tx, events: batches.append(len(events)))
    gate = threading.Event()
    blocked = database.submit(lambda tx: gate.wait(5))
    publishing = asyncio.gather(*(bus.publish([event(str(n))]) for n in range(50)))
    await asyncio.sleep(0)
    gate.set()
    await blocked
    await publishing
    assert batches == [50]


async def test_a_full_database_refuses_and_recovers(database: Database) -> None:
    bus = SqliteBus(database, FixedClock())
    await bus.publish([event("a")])
    (pages,) = (await database.read("PRAGMA page_count"))[0]
    await database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {pages}"))
    too_much = [event(f"x{n}") for n in range(500)]
    with pytest.raises(StorageUnavailable):
        await bus.publish(too_much)
    await database.write(lambda tx: tx.query("PRAGMA max_page_count = 100000"))
    accepted = await bus.publish(too_much)
    assert accepted[-1].seq == 501


async def test_a_closed_database_is_said_to_every_publisher(database: Database) -> None:
    bus = SqliteBus(database, FixedClock())
    await database.close()
    with pytest.raises(StorageUnavailable):
        await bus.publish([event("a")])


async def test_a_repeated_delivery_is_recognised_after_a_restart(tmp_path: Path) -> None:
    for expected in ("first", "first"):
        database = await open_database(tmp_path / "again.db")
        bus = SqliteBus(database, FixedClock())
        (accepted,) = await bus.publish([event(expected, "delivery-1")])
        assert (accepted.id, accepted.seq) == ("first", 1)
        await database.close()


async def test_a_delivery_id_is_forgotten_after_its_window(database: Database) -> None:
    clock = FixedClock()
    bus = SqliteBus(database, clock, retention=Retention(dedup=timedelta(hours=1)))
    await bus.publish([event("a", "d")])
    clock.advance(3590)
    (within,) = await bus.publish([event("b", "d")])
    clock.advance(20)
    (after,) = await bus.publish([event("c", "d")])
    (again,) = await bus.publish([event("d", "d")])
    assert [within.id, after.id, again.id] == ["a", "c", "c"]


async def test_retention_removes_what_is_too_old(database: Database) -> None:
    clock = FixedClock()
    bus = SqliteBus(database, clock, retention=Retention(age=timedelta(days=1)))
    await bus.publish([event("a"), event("b")])
    clock.advance(86_401)
    await bus.publish([event("c")])
    assert await bus.retain() == 2
    assert await kept(database) == [3]


async def test_retention_removes_what_is_too_many(database: Database) -> None:
    bus = SqliteBus(database, FixedClock(), retention=Retention(count=700))
    await bus.publish([event(str(n)) for n in range(2000)])
    assert await bus.retain() == 1300
    assert (await kept(database))[0] == 1301


async def test_retention_waits_for_the_slowest_cursor(database: Database) -> None:
    clock = FixedClock()
    bus = SqliteBus(database, clock, retention=Retention(age=timedelta(days=1), count=1))
    await bus.publish([event(str(n)) for n in range(10)])
    await database.write(lambda tx: store.move_cursor(tx, "slow", 4))
    await database.write(lambda tx: store.move_cursor(tx, "fast", 10))
    clock.advance(1_000_000)
    assert await bus.retain() == 4
    await database.write(lambda tx: store.forget_cursor(tx, "slow"))
    assert await bus.retain() == 5


async def test_consumers_with_nothing_to_see_are_passed_over(database: Database) -> None:
    def pass_over(tx: Transaction) -> None:
        store.move_cursor(tx, "idle", store.newest(tx))

    bus = SqliteBus(database, FixedClock(), retention=Retention(count=1), pass_over=pass_over)
    await database.write(lambda tx: store.move_cursor(tx, "idle", 0))
    await bus.publish([event(str(n)) for n in range(10)])
    assert await bus.retain() == 9


async def test_places_are_never_given_twice_even_when_everything_is_old(database: Database) -> None:
    clock = FixedClock()
    bus = SqliteBus(database, clock, retention=Retention(age=timedelta(0), count=0))
    await bus.publish([event("a"), event("b")])
    clock.advance(100)
    await bus.retain()
    (third,) = await bus.publish([event("c")])
    assert third.seq == 3


async def test_a_delivery_whose_first_event_is_gone_is_still_no_new_event(
    database: Database,
) -> None:
    clock = FixedClock()
    bus = SqliteBus(database, clock, retention=Retention(count=1))
    await bus.publish([event("a", "d"), event("b")])
    await bus.retain()
    (again,) = await bus.publish([event("c", "d")])
    assert again.seq == 1
    assert await kept(database) == [2]


async def test_cursors_are_kept(database: Database) -> None:
    assert await database.write(lambda tx: store.cursor(tx, "c")) is None
    await database.write(lambda tx: store.move_cursor(tx, "c", 5))
    await database.write(lambda tx: store.move_cursor(tx, "c", 9))
    assert await database.write(lambda tx: store.cursor(tx, "c")) == 9
