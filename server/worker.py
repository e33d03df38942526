"""`bireme up --role sensor`: one of many processes that evaluate sensors, on the PostgreSQL database of an engine."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog

from bireme.kit.clock import Clock, SystemClock
from bireme.kit.errors import ServiceError
from bireme.kit.ids import Ids, RandomIds
from bireme.kit.supervise import run_together
from bireme.sandbox.run import Sandbox
from bireme.storage.open import join_database
from bireme.storage.ports import Database, StorageError, Transaction
from bireme.storage.postgres_signals import PostgresSignals
from controller import store
from controller.cradle import Cradle
from controller.templates import TemplateShelf
from sensors.errors import TriggerRefused
from sensors.holding import OfAWorker
from sensors.run import SensorBank
from sensors.surroundings import Surroundings
from sensors.worker import Worker
from server import parts
from server.bindings import BindingTaker
from server.cluster import ClusterPort
from server.objects.follow import FollowedObjects
from server.objects.model import StoredObject
from server.objects.run import Taker
from server.secrets import KeptSecrets
from server.settings import Settings
from server.takers import (
    ConfigMapTaker,
    Prepare,
    SecretTaker,
    TemplateTaker,
    lines_of,
    prepare_held,
)

log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_ASK_AGAIN_S = 1.0

Json = dict[str, Any]


class CradlePort:
    """`sensors.ports.Workflows` where the controller is another process: runs are born here and begun there."""

    def __init__(self, cradle: Cradle) -> None:
        self._cradle = cradle

    def submit(self, tx: Transaction, manifest: Json, firing: str) -> dict[str, str]:
        return self._cradle.submit(tx, manifest, firing)

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        return self._cradle.live(tx, uids)

    def firings(self, tx: Transaction, uids: Sequence[str]) -> list[str]:
        return store.firings_of(tx, uids)

    async def operate(
        self, namespace: str, name: str, operation: str, options: Json, firing: str = ""
    ) -> dict[str, str]:
        raise _not_here(operation)

    async def of_cron(self, namespace: str, name: str) -> Json:
        raise _not_here("submit --from cronwf")

    async def labels(self, namespace: str, name: str) -> dict[str, str]:
        raise _not_here("policy")


def _not_here(what: str) -> TriggerRefused:
    return TriggerRefused(f"{what} is for the engine to do, not for a sensor worker")


class KnowingTaker:
    """Sensors go to the worker, which holds its share of them."""

    def __init__(self, worker: Worker, prepare: Prepare) -> None:
        self._worker, self._prepare = worker, prepare

    async def apply(self, stored: StoredObject) -> None:
        await prepare_held(stored, self._prepare)
        await self._worker.know(stored.as_manifest(), lines_of(stored))

    async def remove(self, namespace: str, name: str) -> None:
        await self._worker.forget(namespace, name)


async def serve(settings: Settings, stop: asyncio.Event, started: Callable[[str], None]) -> None:
    """Work until `stop` is set. `started` is told the worker's name once it takes sensors."""
    clock, ids = SystemClock(), RandomIds()
    async with AsyncExitStack() as stack:
        database = await _database(settings, clock, stop)
        if database is None:
            return
        stack.push_async_callback(database.close)
        signals = PostgresSignals(settings.database, clock)
        worker, objects = _build(settings, clock, ids, database, signals, stack)
        await _until_read(objects, clock)
        stack.push_async_callback(worker.leave)
        started(worker.holding.name)
        loops: dict[str, Awaitable[None]] = {
            "signals": signals.run(),
            "objects": _refresh_forever(objects, clock),
            "worker": worker.run(objects.refresh),
        }
        await run_together(loops, stop=stop, drain_s=settings.drain_s)
    log.info("worker_stopped")


async def _database(settings: Settings, clock: Clock, stop: asyncio.Event) -> Database | None:
    """The engine's database, once there is one; None when told to stop before."""
    complained = ""
    while not stop.is_set():
        try:
            return await join_database(settings.database)
        except (StorageError, ServiceError) as error:
            if str(error) != complained:
                complained = str(error)
                log.warning("worker_waits_for_engine", error=complained)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _ASK_AGAIN_S)
    return None


def _build(
    settings: Settings,
    clock: Clock,
    ids: Ids,
    database: Database,
    signals: PostgresSignals,
    stack: AsyncExitStack,
) -> tuple[Worker, FollowedObjects]:
    secrets = parts.secrets_of(settings)
    scripts = Sandbox()
    stack.callback(scripts.close)
    shelf = TemplateShelf()
    cluster = parts.cluster_of(settings)
    cradle = Cradle(shelf, clock, ids, signals)
    holding = OfAWorker(_name(ids), signals)
    around = Surroundings(
        clock=clock,
        ids=ids,
        workflows=CradlePort(cradle),
        secrets=secrets,
        reach=settings.reach,
        database=database,
        cluster=ClusterPort(cluster) if cluster else None,
    )
    bank = SensorBank(database, around, scripts=scripts, holding=holding)
    stack.push_async_callback(bank.close)
    worker = Worker(database, clock, bank, holding, signals)

    def seen(version: int) -> None:
        holding.version = version

    return worker, FollowedObjects(database, _takers(worker, cradle, shelf, secrets), seen)


def _takers(
    worker: Worker, cradle: Cradle, shelf: TemplateShelf, secrets: KeptSecrets
) -> dict[str, Taker]:
    return {
        "WorkflowTemplate": TemplateTaker(shelf, "WorkflowTemplate"),
        "ClusterWorkflowTemplate": TemplateTaker(shelf, "ClusterWorkflowTemplate"),
        "Secret": SecretTaker(secrets),
        "ConfigMap": ConfigMapTaker(secrets, shelf),
        "Sensor": (sensors := KnowingTaker(worker, cradle.prepare)),
        "WorkflowEventBinding": BindingTaker(sensors),
    }


def _name(ids: Ids) -> str:
    """Never used again: a worker that is started anew is another one."""
    return f"{socket.gethostname()}-{os.getpid()}-{ids.suffix()}"


async def _until_read(objects: FollowedObjects, clock: Clock) -> None:
    while True:
        try:
            return await objects.refresh()
        except ServiceError as error:
            log.warning("worker_waits_for_storage", error=str(error))
            await clock.sleep(_ASK_AGAIN_S)


async def _refresh_forever(objects: FollowedObjects, clock: Clock) -> None:
    """For what no event asks for: an event that comes after a change is not decided before the change is read."""
    while True:
        await clock.sleep(_LOOK_S)
        await _until_read(objects, clock)
