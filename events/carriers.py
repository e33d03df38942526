"""The buses that EventBus objects name. A source publishes to the one it names; all of them end in the one log.

An EventBus that Argo would install itself (`jetstream`, `nats.native`) is the log: nothing needs to be installed. One
that exists elsewhere (`kafka`, `jetstreamExotic`) is published to, so that a sender is answered when that bus has the
event, and relayed into the log.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from bireme.kit import supervise
from bireme.kit.clock import Clock
from bireme.kit.errors import UserError
from bireme.kit.ids import Ids
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database
from events import fields
from events.model import Event
from events.ports import DEFAULT_BUS, Also, Bus, BusSurroundings, Secrets
from events.registry import buses
from events.relay import Relay

log = structlog.get_logger(__name__)

_STOP_S = 10.0
_OUTSIDE = {"kafka": "kafka", "jetstreamExotic": "jetstream"}


class _Carrier:
    """One outside bus in use, and the task that brings its events into the log."""

    def __init__(self, spec: Any, bus: Any, task: "asyncio.Task[None]") -> None:
        self.spec = spec
        self.bus = bus
        self.task = task


class Carriers:
    """Which bus carries what. Without any EventBus, everything goes straight into the log."""

    def __init__(
        self, log: Bus, database: Database, clock: Clock, ids: Ids, secrets: Secrets
    ) -> None:
        self.log = log
        self._database = database
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._scope = TaskScope("buses")
        self._outside: dict[tuple[str, str], _Carrier] = {}

    def named(self, namespace: str, name: str) -> Bus:
        """The bus of that name, whatever it is at the moment of each publication."""
        return _Named(self, (namespace, name or DEFAULT_BUS))

    def carrier(self, place: tuple[str, str]) -> Bus:
        """Where a publication goes now."""
        carrier = self._outside.get(place)
        return carrier.bus if carrier else self.log

    async def write(self, also: Also) -> None:
        await self._database.write(also)

    async def apply(self, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
        """Use the bus as it is described now. Raises BadSourceConfig, and the log stays in use."""
        known = self._outside.get((namespace, name))
        if known is not None and known.spec == spec:
            return
        made = self._build(namespace, name, spec)
        await self.remove(namespace, name)
        if made is None:
            return
        relay = Relay(f"{namespace}/{name}", made, self.log, self._database, self._clock)
        task = self._scope.start(f"relay {relay.name}", relay.run())
        self._outside[namespace, name] = _Carrier(spec, made, task)
        log.info("bus_in_use", bus=relay.name, kind=type(made).__name__)

    async def remove(self, namespace: str, name: str) -> None:
        """Sources publish into the log again. What the bus still carried is taken in when it is applied again."""
        carrier = self._outside.pop((namespace, name), None)
        if carrier is not None:
            await self._stop(carrier)

    async def close(self) -> None:
        for carrier in self._outside.values():
            await self._stop(carrier)
        self._outside.clear()
        await self._scope.close()

    async def _stop(self, carrier: _Carrier) -> None:
        if await supervise.end([carrier.task], _STOP_S):
            log.error("relay_stuck", task=carrier.task.get_name(), waited_s=_STOP_S)
        await carrier.bus.close()

    def _build(self, namespace: str, name: str, spec: Mapping[str, Any]) -> Any:
        kind = next((kind for kind in _OUTSIDE if spec.get(kind) is not None), None)
        if kind is None:
            return None
        plugin: Any = buses[_OUTSIDE[kind]]
        path = f"EventBus/{name} spec.{kind}"
        config = fields.decode(plugin.Config, spec[kind], path)
        around = BusSurroundings(namespace, name, self._clock, self._ids, self._secrets)
        try:
            return plugin(config, around)
        except UserError as error:
            raise type(error)(f"{path}: {error}") from error


class _Named:
    """A bus by name: what it stands for may change while sources run."""

    def __init__(self, carriers: Carriers, place: tuple[str, str]) -> None:
        self._carriers = carriers
        self._place = place

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        bus = self._carriers.carrier(self._place)
        if bus is self._carriers.log:
            return await bus.publish(events, also)
        if also is None:
            return await bus.publish(events)
        # Two commits: what the second one fails to note is published again, and has to be known again by its id.
        accepted = await bus.publish([_known_by_id(event) for event in events])
        await self._carriers.write(also)
        return accepted

    def read(self, consumer: str, after: int) -> AsyncIterator[Sequence[Event]]:
        return self._carriers.carrier(self._place).read(consumer, after)


def _known_by_id(event: Event) -> Event:
    return event if event.dedup else msgspec.structs.replace(event, dedup=event.id)
