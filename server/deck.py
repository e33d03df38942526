"""The parts of a running engine, as the API sees them. Built once in `wiring`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bireme.kit.clock import Clock
from bireme.kit.ids import Ids
from bireme.storage.ports import Database
from controller.cron import CronBank
from controller.run import Controller
from events.buses.sqlite import SqliteBus
from events.carriers import Carriers
from events.http import Listeners
from events.run import EventBank
from executor.ports import Executor
from sensors.run import SensorBank
from server.fleet import Fleet
from server.metrics import Metrics
from server.objects.run import Objects
from server.settings import Settings


@dataclass(slots=True)
class Deck:
    """Everything a request may need. `is_ready` is true between the end of the start and the begin of the stop."""

    settings: Settings
    clock: Clock
    ids: Ids
    database: Database
    bus: SqliteBus
    executor: Executor
    controller: Controller
    crons: CronBank
    carriers: Carriers
    sources: EventBank
    listeners: Listeners
    sensors: SensorBank
    fleet: Fleet
    objects: Objects
    metrics: Metrics
    is_ready: bool = False

    def template(self, kind: str, namespace: str, name: str) -> Mapping[str, Any] | None:
        """The applied template, as validation asks for it."""
        return self.controller.shelf.template(kind, namespace, name)
