"""How the parts of an engine are built and joined, and in which order they start and stop."""

import gc
import os
import sys
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from bireme.kit.clock import Clock, SystemClock
from bireme.kit.errors import ServiceError
from bireme.kit.ids import Ids, RandomIds
from bireme.lang.script import Scripts
from bireme.sandbox.run import Sandbox
from bireme.storage.open import open_database
from bireme.storage.ports import Database
from controller.cron import CronBank
from controller.run import Controller, Options
from controller.templates import TemplateShelf
from events.buses.sqlite import Retention, SqliteBus
from events.carriers import Carriers
from events.http import Listeners
from events.poison import StoredPoison
from events.run import EventBank
from events.state import StoredState
from executor.ports import Executor
from sensors.holding import Holding
from sensors.run import SensorBank
from sensors.surroundings import Surroundings
from sensors.sweep import Policy
from server import bindings, fleet, parts
from server.cluster import ClusterPort
from server.deck import Deck
from server.metrics import Metrics
from server.objects.directory import Directory
from server.objects.run import Objects
from server.secrets import KeptSecrets
from server.settings import Settings
from server.takers import heard, takers
from server.workflows import WorkflowsPort

log = structlog.get_logger(__name__)

SWITCH_INTERVAL_S = 0.0005
"""The database's writer is a thread: after a commit the loop must not wait the default 5 ms for its turn."""

GC_THRESHOLDS = (20_000, 20, 20)
"""A run of 100,000 nodes is alive as a whole: with Python's own thresholds the collector takes a tenth of its time."""


class PortInUse(ServiceError):
    """Somebody else listens on the API's port."""


class NoDataDirectory(ServiceError):
    """The place where everything is to be kept cannot be made."""


async def build(settings: Settings, stack: AsyncExitStack) -> Deck:
    """All parts, joined; nothing runs yet. What was opened closes with `stack`, last opened first.

    Raises DatabaseInUse, and nothing was opened, while another engine has the database.
    """
    clock = SystemClock()
    _make(settings.data_dir)
    database = await open_database(
        settings.database or settings.data_dir / "bireme.db", stands_by=settings.stands_by
    )
    stack.push_async_callback(database.close)
    secrets = parts.secrets_of(settings)
    scripts = Sandbox()
    stack.callback(scripts.close)
    executor = parts.executor_of(settings, clock, secrets, database, scripts)
    stack.push_async_callback(executor.close)
    deck = join(_Hull(settings, clock, RandomIds(), database, secrets, scripts), executor)
    closes = (deck.sensors.close, deck.carriers.close, deck.listeners.close, deck.sources.close)
    for close in closes:
        stack.push_async_callback(close)
    return deck


def _make(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NoDataDirectory(
            f"the data directory {data_dir} cannot be made: {error.strerror}; "
            "choose another one with --data-dir or BIREME_DATA_DIR"
        ) from error


@dataclass(frozen=True, slots=True)
class _Hull:
    """What every part stands on."""

    settings: Settings
    clock: Clock
    ids: Ids
    database: Database
    secrets: KeptSecrets
    scripts: Scripts


def join(hull: _Hull, executor: Executor) -> Deck:
    """The two banks on one hull: the sensors get the controller as their port to workflows."""
    settings, clock, ids, database = hull.settings, hull.clock, hull.ids, hull.database
    options = Options(archive_s=settings.archive_s)
    controller = Controller(database, executor, clock, ids, shelf=TemplateShelf(), options=options)
    crons = CronBank(database, clock, controller)
    sharing = fleet.of(settings, clock)
    sensors = _sensors(hull, WorkflowsPort(controller, crons), sharing.holding)
    bus = _bus(hull, sharing, sensors)
    carriers = Carriers(bus, database, clock, ids, hull.secrets)
    listeners = Listeners(settings.host)
    sources = _sources(hull, carriers, listeners)
    given = takers(
        shelf=controller.shelf,
        crons=crons,
        sensors=sharing.taker(sensors, database, controller.prepare),
        sources=sources,
        carriers=carriers,
        secrets=hull.secrets,
        is_up=lambda: deck.is_ready,
    )
    metrics = Metrics()
    controller.on_end(metrics.count_end)
    controller.on_end(lambda live, phase: sensors.run_ended(live.uid))
    objects = Objects(database, clock, ids, given, controller.submit, controller.prepare)
    deck = Deck(
        settings=settings, clock=clock, ids=ids, database=database, bus=bus, carriers=carriers,
        executor=executor, controller=controller, crons=crons, sources=sources,
        listeners=listeners, sensors=sensors, fleet=sharing, metrics=metrics, objects=objects,
    )  # fmt: skip
    return deck


def _sensors(hull: _Hull, workflows: WorkflowsPort, holding: Holding) -> SensorBank:
    settings = hull.settings
    cluster = parts.cluster_of(settings)
    around = Surroundings(
        clock=hull.clock,
        ids=hull.ids,
        workflows=workflows,
        secrets=hull.secrets,
        reach=settings.reach,
        database=hull.database,
        cluster=ClusterPort(cluster) if cluster else None,
    )
    keep = Policy(age_s=settings.retain_events_s, count=settings.retain_events)
    return SensorBank(hull.database, around, scripts=hull.scripts, keep=keep, holding=holding)


def _bus(hull: _Hull, sharing: fleet.Fleet, sensors: SensorBank) -> SqliteBus:
    age = timedelta(seconds=hull.settings.retain_events_s)
    return SqliteBus(
        hull.database,
        hull.clock,
        pipeline=sharing.pipeline(sensors),
        retention=Retention(age=age, count=hull.settings.retain_events),
        pass_over=sensors.pass_over,
        ahead=sharing.ahead(sensors),
    )


def _sources(hull: _Hull, carriers: Carriers, listeners: Listeners) -> EventBank:
    return EventBank(
        bus_of=carriers.named,
        clock=hull.clock,
        ids=hull.ids,
        secrets=hull.secrets,
        state=StoredState(hull.database),
        http=listeners,
        poison=StoredPoison(hull.database, hull.clock),
    )


async def listen(deck: Deck, token: str, stack: AsyncExitStack) -> str:
    """Serve the API; its address. Health answers from here on, readiness later. Raises PortInUse."""
    from aiohttp import web

    from server.api import app

    settings = deck.settings
    application = app.build(deck, token=token, max_body_bytes=settings.max_request_bytes)
    runner = web.AppRunner(
        application, access_log=None, handler_cancellation=True, shutdown_timeout=2.0
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except OSError as error:
        raise PortInUse(
            f"cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)};"
            " take another port with --port, or 0 for any free one"
        ) from error
    port = runner.addresses[0][1]
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


async def start(deck: Deck, directory: Directory | None) -> None:
    """Bring everything back: objects to their banks, runs from their history, then the directory's manifests.

    Nothing of it is garbage, so the collector rests: it would walk over all of it again and again.
    """
    gc.disable()
    try:
        await deck.objects.load(between=partial(_adopt, deck))
    finally:
        gc.enable()
    sensors = deck.objects.of_kind("Sensor")
    bound = map(bindings.as_sensor, deck.objects.of_kind("WorkflowEventBinding"))
    known = [f"{one.namespace}/{one.name}" for one in (*sensors, *bound)]
    await deck.fleet.begun(deck.database, known)
    if directory is not None:
        await directory.look()
    await heard(deck.sources)


async def _adopt(deck: Deck) -> None:
    """Before anything new can start: what was running is running again."""
    adopted = await deck.controller.recover()
    if adopted:
        log.info("runs_adopted", count=adopted)


def loops(deck: Deck, directory: Directory | None) -> dict[str, Awaitable[None]]:
    """What runs until the process stops, by name."""
    running: dict[str, Awaitable[None]] = {
        "controller": deck.controller.run(),
        "crons": deck.crons.run(),
        "bus": deck.bus.run(),
        "sweeper": deck.sensors.sweeper.run(),
        **deck.fleet.loops(deck.sensors, deck.controller, deck.clock),
    }
    if deck.settings.stands_by:
        running["office"] = fleet.stay_in_office(deck.database, deck.clock)
    if directory is not None:
        running["directory"] = directory.run()
    return running


def settle() -> None:
    """After the start: what was loaded stays for good, so the collector need never look at it again."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
