"""What an engine does with its sensors: evaluates them itself (`all`), or leaves them to workers (`engine`)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.storage.open import is_shared
from bireme.storage.ports import Database, Transaction
from controller.cradle import BORN
from controller.run import Controller
from events.buses.sqlite import Ahead, Pipeline, nothing_ahead
from events.model import Event
from sensors import lease_store
from sensors.holding import EVERYTHING, FIRINGS, Holding, OfTheEngine
from sensors.run import SensorBank
from sensors.worker import EVENTS, LEASES
from server.objects.model import StoredObject
from server.objects.run import Taker
from server.settings import Settings
from server.takers import Prepare, SensorTaker

log = structlog.get_logger(__name__)

_LOOK_S = 2.0
_STORAGE_PAUSE_S = 1.0
_SAY_SO_S = 1.0


class Fleet(Protocol):
    """How the sensors of an engine are worked."""

    @property
    def holding(self) -> Holding: ...

    def pipeline(self, sensors: SensorBank) -> Pipeline:
        """What happens with events in the transaction that accepts them."""
        ...

    def ahead(self, sensors: SensorBank) -> Ahead:
        """What is open around that transaction."""
        ...

    def taker(self, sensors: SensorBank, database: Database, prepare: Prepare) -> Taker:
        """Who is given Sensors."""
        ...

    async def begun(self, database: Database, sensors: Sequence[str]) -> None:
        """The engine has read its objects; these are the sensors there are, as `namespace/name`."""
        ...

    def loops(
        self, sensors: SensorBank, controller: Controller, clock: Clock
    ) -> dict[str, Awaitable[None]]:
        """What runs until the process stops, by name."""
        ...


class Alone:
    """One process: events are evaluated in the commit that accepts them."""

    holding = EVERYTHING

    def __init__(self, settings: Settings) -> None:
        self._is_shared = is_shared(settings.database)

    def pipeline(self, sensors: SensorBank) -> Pipeline:
        return sensors.consume

    def ahead(self, sensors: SensorBank) -> Ahead:
        return sensors.ahead

    def taker(self, sensors: SensorBank, database: Database, prepare: Prepare) -> Taker:
        return SensorTaker(sensors, prepare)

    async def begun(self, database: Database, sensors: Sequence[str]) -> None:
        if self._is_shared:  # workers that are still there hold nothing from here on
            await database.write(lambda tx: lease_store.keep_only(tx, ()))

    def loops(
        self, sensors: SensorBank, controller: Controller, clock: Clock
    ) -> dict[str, Awaitable[None]]:
        return {"sensors": sensors.run()}


class WithWorkers:
    """The engine of a fleet: it accepts events, enrols sensors, and takes up the runs that workers give birth to."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        from bireme.storage.postgres_signals import PostgresSignals

        self.signals = PostgresSignals(settings.database, clock)
        self.holding = OfTheEngine(self.signals)

    def pipeline(self, sensors: SensorBank) -> Pipeline:
        def told(tx: Transaction, events: Sequence[Event]) -> None:
            self.signals.tell(tx, EVENTS)

        return told

    def ahead(self, sensors: SensorBank) -> Ahead:
        return nothing_ahead  # a worker asks, once it has the event

    def taker(self, sensors: SensorBank, database: Database, prepare: Prepare) -> Taker:
        return EnrollingTaker(SensorTaker(sensors, prepare), database, self._enrol, self._strike)

    def _enrol(self, tx: Transaction, sensor: str) -> None:
        lease_store.enrol(tx, sensor)
        self.signals.tell(tx, LEASES)

    def _strike(self, tx: Transaction, sensor: str) -> None:
        lease_store.strike(tx, sensor)
        self.signals.tell(tx, LEASES)

    async def begun(self, database: Database, sensors: Sequence[str]) -> None:
        await database.write(lambda tx: lease_store.keep_only(tx, sensors))

    def loops(
        self, sensors: SensorBank, controller: Controller, clock: Clock
    ) -> dict[str, Awaitable[None]]:
        self.signals.hear(FIRINGS, sensors.outbox.wake)
        born = asyncio.Event()
        self.signals.hear(BORN, born.set)
        return {
            "outbox": sensors.outbox.run(),
            "signals": self.signals.run(),
            "births": _take_up_forever(controller, born, clock),
        }


class EnrollingTaker:
    """Sensors go to the engine's bank, which shows and reviews them, and on the list that workers share."""

    def __init__(
        self,
        bank: Taker,
        database: Database,
        enrol: Callable[[Transaction, str], None],
        strike: Callable[[Transaction, str], None],
    ) -> None:
        self._bank, self._database = bank, database
        self._enrol, self._strike = enrol, strike

    async def apply(self, stored: StoredObject) -> None:
        await self._bank.apply(stored)
        key = f"{stored.namespace}/{stored.name}"
        await self._database.write(lambda tx: self._enrol(tx, key))

    async def remove(self, namespace: str, name: str) -> None:
        await self._bank.remove(namespace, name)
        await self._database.write(lambda tx: self._strike(tx, f"{namespace}/{name}"))


def of(settings: Settings, clock: Clock) -> Fleet:
    """As the role says."""
    return WithWorkers(settings, clock) if settings.role == "engine" else Alone(settings)


async def stay_in_office(database: Database, clock: Clock) -> None:
    """Say something to the database every second, until cancelled. Raises DatabaseInUse once another engine has it:
    the process must end then, because what it remembers is no longer so."""
    while True:
        with contextlib.suppress(ServiceError):
            await database.write(lambda tx: tx.query("SELECT 1"))
        await clock.sleep(_SAY_SO_S)


async def _take_up_forever(controller: Controller, born: asyncio.Event, clock: Clock) -> None:
    while True:
        born.clear()
        try:
            await controller.take_up()
        except ServiceError as error:
            log.warning("births_wait_for_storage", error=str(error))
            await clock.sleep(_STORAGE_PAUSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await born.wait()
