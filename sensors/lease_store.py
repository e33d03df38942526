"""The rows of workers and leases. PostgreSQL only: a SQLite file has one process.

Times are the database's own (`clock_timestamp`), so that nobody's clock matters but its.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bireme.storage.ports import Database, Transaction
from events import store as log
from sensors import store
from sensors.sharing import NOBODY, Lease, Picture

_NOW = "extract(epoch FROM clock_timestamp())::float8"
_FORGOTTEN_S = 60.0


def beat(tx: Transaction, worker: str, lasts_s: float) -> None:
    """The worker is alive for `lasts_s` seconds more. Those long dead are forgotten."""
    tx.execute(
        f"INSERT INTO sensor_workers (worker, until, since) VALUES (?, {_NOW} + ?, {_NOW}) "
        "ON CONFLICT (worker) DO UPDATE SET until = excluded.until",
        (worker, lasts_s),
    )
    tx.execute(f"DELETE FROM sensor_workers WHERE until < {_NOW} - ?", (_FORGOTTEN_S,))


def picture(tx: Transaction) -> Picture:
    """Who is alive, and who holds what."""
    alive = tx.query(f"SELECT worker FROM sensor_workers WHERE until > {_NOW}")
    leases = tx.query("SELECT sensor, worker, epoch FROM sensor_leases")
    return Picture(
        frozenset(worker for (worker,) in alive),
        {sensor: Lease(worker, int(epoch)) for sensor, worker, epoch in leases},
    )


def take(tx: Transaction, worker: str, sensors: Sequence[str]) -> None:
    """Hold those of the sensors that nobody alive holds, in a new epoch; what somebody decides about now is left.

    `SKIP LOCKED`: a worker that hangs inside a transaction must not hold up who takes over the others.
    """
    if sensors:
        tx.execute(
            f"UPDATE sensor_leases SET worker = ?, epoch = epoch + 1, since = {_NOW} "
            "WHERE sensor IN (SELECT sensor FROM sensor_leases WHERE sensor = ANY(?) AND worker NOT IN "
            f"(SELECT worker FROM sensor_workers WHERE until > {_NOW}) ORDER BY sensor FOR UPDATE SKIP LOCKED)",
            (worker, list(sensors)),
        )


def give(tx: Transaction, worker: str, sensors: Sequence[str]) -> None:
    """Let go of those of the sensors that the worker holds."""
    if sensors:
        tx.execute(
            f"UPDATE sensor_leases SET worker = ?, epoch = epoch + 1, since = {_NOW} "
            "WHERE sensor = ANY(?) AND worker = ?",
            (NOBODY, list(sensors), worker),
        )


def advance(tx: Transaction, worker: str, sensors: Sequence[str], position: int) -> None:
    """Move the cursors of those of the sensors that the worker holds up to `position`, never back."""
    if sensors:
        tx.execute(
            "UPDATE cursors SET position = ? WHERE position < ? AND consumer IN (SELECT 'sensor:' || sensor "
            "FROM sensor_leases WHERE worker = ? AND sensor = ANY(?) ORDER BY sensor FOR UPDATE)",
            (position, position, worker, list(sensors)),
        )


def leave(tx: Transaction, worker: str) -> None:
    """The worker ends: others need not wait until its time is up."""
    tx.execute(
        f"UPDATE sensor_leases SET worker = ?, epoch = epoch + 1, since = {_NOW} WHERE worker = ?",
        (NOBODY, worker),
    )
    tx.execute("DELETE FROM sensor_workers WHERE worker = ?", (worker,))


def enrol(tx: Transaction, sensor: str) -> None:
    """The sensor may be held, and sees what is accepted from now on if it is new. Twice is once."""
    tx.execute(
        f"INSERT INTO sensor_leases (sensor, worker, epoch, since) VALUES (?, ?, 0, {_NOW}) "
        "ON CONFLICT (sensor) DO NOTHING",
        (sensor, NOBODY),
    )
    if store.position(tx, sensor) is None:
        store.move(tx, [(sensor, log.newest(tx))])


def strike(tx: Transaction, sensor: str) -> None:
    """Nobody can hold the sensor any more, and retention waits for it no longer."""
    tx.execute("DELETE FROM sensor_leases WHERE sensor = ?", (sensor,))
    log.forget_cursor(tx, store.consumer(sensor))


def keep_only(tx: Transaction, sensors: Iterable[str]) -> None:
    """Strike out the leases of all others."""
    tx.execute("DELETE FROM sensor_leases WHERE NOT sensor = ANY(?)", (list(sensors),))


async def shown(database: Database) -> list[dict[str, Any]]:
    """Who holds what, for people: workers alive with their sensors, then what nobody holds."""
    rows = await database.read(
        "SELECT lease.sensor, lease.epoch, lease.since, CASE WHEN alive.worker IS NULL THEN '' "
        "ELSE lease.worker END AS holder FROM sensor_leases AS lease LEFT JOIN sensor_workers AS alive "
        f"ON alive.worker = lease.worker AND alive.until > {_NOW} ORDER BY lease.sensor"
    )
    return [
        {"sensor": sensor, "worker": holder, "epoch": int(epoch), "since": since}
        for sensor, epoch, since, holder in rows
    ]


async def workers(database: Database) -> list[dict[str, Any]]:
    """The workers that are alive, with when they began."""
    rows = await database.read(
        f"SELECT worker, since FROM sensor_workers WHERE until > {_NOW} ORDER BY worker"
    )
    return [{"worker": worker, "since": since} for worker, since in rows]
