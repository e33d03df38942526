"""Who is given the applied objects of each kind: thin adapters between `objects` and the banks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from bireme.kit.errors import UserError
from bireme.manifests import decode
from controller.cron import CronBank
from controller.templates import TemplateShelf
from events.carriers import Carriers
from events.run import EventBank
from sensors.run import SensorBank
from server.bindings import BindingTaker
from server.objects.check import nearest_line
from server.objects.model import StoredObject
from server.objects.run import Taker
from server.secrets import KeptSecrets

Json = dict[str, Any]
Prepare = Callable[[Json], Awaitable[None]]


class TemplateTaker:
    """Templates go on the controller's shelf."""

    def __init__(self, shelf: TemplateShelf, kind: str) -> None:
        self._shelf, self._kind = shelf, kind

    async def apply(self, stored: StoredObject) -> None:
        self._shelf.apply(stored.as_manifest())

    async def remove(self, namespace: str, name: str) -> None:
        self._shelf.remove(self._kind, namespace, name)


class CronTaker:
    """CronWorkflows go to the cron bank."""

    def __init__(self, crons: CronBank) -> None:
        self._crons = crons

    async def apply(self, stored: StoredObject) -> None:
        await self._crons.apply(stored.as_manifest())

    async def remove(self, namespace: str, name: str) -> None:
        await self._crons.remove(namespace, name)


class SensorTaker:
    """Sensors go to their bank, with the lines of their fields for its decisions.

    A large workflow that one holds is checked here: its first firing is born in the turn of the database's writer.
    """

    def __init__(self, sensors: SensorBank, prepare: Prepare) -> None:
        self._sensors, self._prepare = sensors, prepare

    async def apply(self, stored: StoredObject) -> None:
        await prepare_held(stored, self._prepare)
        self._sensors.add(stored.as_manifest(), lines_of(stored))

    async def remove(self, namespace: str, name: str) -> None:
        self._sensors.remove(namespace, name)


async def prepare_held(stored: StoredObject, prepare: Prepare) -> None:
    """Check the workflows that the sensor's own text holds."""
    for held in _workflows_in(stored):
        with suppress(UserError):  # what is wrong with it is the firing's to tell
            await prepare(held)


def _workflows_in(stored: StoredObject) -> Iterator[Json]:
    """The workflows that the sensor's own text holds."""
    for trigger in (stored.manifest.get("spec") or {}).get("triggers") or []:
        block = (trigger.get("template") or {}).get("argoWorkflow") or {}
        held = (block.get("source") or {}).get("resource")
        if held and held.get("kind") == "Workflow":
            metadata = {"namespace": stored.namespace, **(held.get("metadata") or {})}
            yield {**held, "metadata": metadata}


def lines_of(stored: StoredObject) -> Callable[[str], int]:
    return lambda path: nearest_line(stored.lines, path)


SETTLE_S = 5.0


async def heard(sources: EventBank, namespace: str = "", name: str = "") -> None:
    """Give the sources, or those of one EventSource, a few seconds to listen or to say why they do not."""
    with suppress(TimeoutError):
        await asyncio.wait_for(sources.settled(namespace, name), SETTLE_S)


class SourceTaker:
    """EventSources go to their bank. Who applies one hears back once it listens, or has said why it does not; while
    the engine starts none waits for another, for each may take seconds to find its service away."""

    def __init__(self, sources: EventBank, is_up: Callable[[], bool]) -> None:
        self._sources = sources
        self._is_up = is_up

    async def apply(self, stored: StoredObject) -> None:
        await self._sources.apply(decode.decode(stored.manifest))
        if self._is_up():
            await heard(self._sources, stored.namespace, stored.name)

    async def remove(self, namespace: str, name: str) -> None:
        await self._sources.remove(namespace, name)


class BusTaker:
    """EventBuses say what carries the events of sources."""

    def __init__(self, carriers: Carriers) -> None:
        self._carriers = carriers

    async def apply(self, stored: StoredObject) -> None:
        spec = stored.manifest.get("spec") or {}
        await self._carriers.apply(stored.namespace, stored.name, spec)

    async def remove(self, namespace: str, name: str) -> None:
        await self._carriers.remove(namespace, name)


class SecretTaker:
    """Secrets are kept for whoever refers to them."""

    def __init__(self, secrets: KeptSecrets) -> None:
        self._secrets = secrets

    async def apply(self, stored: StoredObject) -> None:
        self._secrets.keep("Secret", stored.namespace, stored.name, stored.manifest)

    async def remove(self, namespace: str, name: str) -> None:
        self._secrets.forget("Secret", namespace, name)


class ConfigMapTaker:
    """Config maps are kept for steps and sources, and on the shelf, where workflows find their parameters."""

    def __init__(
        self, secrets: KeptSecrets, shelf: TemplateShelf, crons: CronBank | None = None
    ) -> None:
        self._secrets, self._shelf, self._crons = secrets, shelf, crons

    async def apply(self, stored: StoredObject) -> None:
        self._secrets.keep("ConfigMap", stored.namespace, stored.name, stored.manifest)
        self._shelf.apply(stored.as_manifest())
        if self._crons is not None:
            await self._crons.calendar_changed(stored.namespace, stored.name)

    async def remove(self, namespace: str, name: str) -> None:
        self._secrets.forget("ConfigMap", namespace, name)
        self._shelf.remove("ConfigMap", namespace, name)
        if self._crons is not None:
            await self._crons.calendar_changed(namespace, name)


def takers(
    *,
    shelf: TemplateShelf,
    crons: CronBank,
    sensors: Taker,
    sources: EventBank,
    carriers: Carriers,
    secrets: KeptSecrets,
    is_up: Callable[[], bool],
) -> dict[str, Taker]:
    """By kind; `is_up` says whether the start is over. What is missing here is kept, and acts on nobody."""
    return {
        "WorkflowTemplate": TemplateTaker(shelf, "WorkflowTemplate"),
        "ClusterWorkflowTemplate": TemplateTaker(shelf, "ClusterWorkflowTemplate"),
        "CronWorkflow": CronTaker(crons),
        "Sensor": sensors,
        "WorkflowEventBinding": BindingTaker(sensors),
        "EventBus": BusTaker(carriers),
        "EventSource": SourceTaker(sources, is_up),
        "Secret": SecretTaker(secrets),
        "ConfigMap": ConfigMapTaker(secrets, shelf, crons),
    }
