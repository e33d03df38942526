"""The bank of event sources: every configured event is a supervised task of its own, with a status people can read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from bireme.kit import supervise
from bireme.kit.clock import Clock
from bireme.kit.errors import Conflict, InvalidManifest, NotFound, Problem
from bireme.kit.ids import Ids
from bireme.kit.supervise import TaskScope
from events.inlet import Configured, Inlet, SourceStatus
from events.ports import Bus, HttpServers, Place, Poison, Secrets, SourceState, Surroundings
from events.registry import sources
from events.rewind import REWIND, Rewind

log = structlog.get_logger(__name__)

BusOf = Callable[[str, str], Bus]
"""The bus of a namespace by the name that sources give it; the empty name is the default one's."""

# Members of an EventSource's spec that are no sources.
_FRAME = frozenset({"eventBusName", "replicas", "service", "template"})
_STOP_S = 10.0


class EventBank:
    """Runs what the applied EventSources say. One source's fault never stops another.

    `metadata` of a manifest needs `name` and `namespace`; its `raw` is the manifest as plain JSON values.
    """

    def __init__(
        self,
        *,
        bus_of: BusOf,
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
        state: SourceState,
        http: HttpServers,
        poison: Poison | None = None,
    ) -> None:
        self._bus_of = bus_of
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._state = state
        self._http = http
        self._poison = poison
        self._scope = TaskScope("events")
        self._inlets: dict[Place, Inlet] = {}

    async def apply(self, manifest: Any) -> None:
        """Make the manifest's events run, and no others of its name; what did not change is not restarted.

        Raises InvalidManifest when two of its events share a name; nothing is changed then. Any other fault of one
        event is in its status.
        """
        namespace, name = _identity(manifest)
        wanted = {one.place: one for one in configured(namespace, name, manifest.raw["spec"])}
        stale = [
            place
            for place, inlet in self._of(namespace, name)
            if place not in wanted or wanted[place] != inlet.one
        ]
        await self._stop(stale)
        for place, one in wanted.items():
            if place not in self._inlets:
                self._start(one)

    async def remove(self, namespace: str, name: str) -> None:
        """Stop the events of that EventSource. What they published stays."""
        await self._stop([place for place, _ in self._of(namespace, name)])

    async def rewind(self, namespace: str, name: str, subject: str, to: Rewind) -> None:
        """Have a source that keeps its place read again from there; what it reads again are new events.

        Raises NotFound, or Conflict for a kind that cannot be rewound.
        """
        found = [one for one, _ in self._of(namespace, name) if one.subject == subject]
        if not found:
            raise NotFound(f"no event '{subject}' of event source {namespace}/{name} is configured")
        place = found[0]
        if not getattr(sources[place.kind], "can_rewind", False):
            raise Conflict(f"event '{subject}' is of kind {place.kind}, which keeps no place")
        one = self._inlets[place].one
        await self._stop([place])
        await self._state.note(place, {REWIND: to.encode()})
        self._start(one)

    async def settled(self, namespace: str = "", name: str = "") -> None:
        """Returns once every event that is configured now, or those of one EventSource, listen, or have said why they
        do not."""
        awaited = self._of(namespace, name) if name else self._inlets.items()
        for _, inlet in list(awaited):
            await inlet.settled.wait()

    async def close(self) -> None:
        await self._stop(list(self._inlets))
        await self._scope.close()

    def status(self) -> list[SourceStatus]:
        """Of every configured event, in the order of their names."""
        return [self._inlets[place].status for place in sorted(self._inlets, key=_order)]

    def _of(self, namespace: str, name: str) -> "Iterator[tuple[Place, Inlet]]":
        return (
            (place, inlet)
            for place, inlet in self._inlets.items()
            if (place.namespace, place.name) == (namespace, name)
        )

    def _start(self, one: Configured) -> None:
        around = Surroundings(
            place=one.place,
            clock=self._clock,
            ids=self._ids,
            secrets=self._secrets,
            state=self._state,
            http=self._http,
        )
        bus = self._bus_of(one.place.namespace, one.bus)
        inlet = Inlet(one, around, bus, self._poison)
        self._inlets[one.place] = inlet
        inlet.task = self._scope.start(f"{one.place.name}.{one.place.subject}", inlet.run())

    async def _stop(self, places: Sequence[Place]) -> None:
        tasks = [self._inlets.pop(place).task for place in places]
        running = [task for task in tasks if task is not None]
        for task in await supervise.end(running, _STOP_S):
            log.error("event_source_stuck", task=task.get_name(), waited_s=_STOP_S)


def configured(namespace: str, name: str, spec: Mapping[str, Any]) -> list[Configured]:
    """Every event of an EventSource's spec. Raises InvalidManifest when two share a name."""
    found = [
        Configured(Place(namespace, name, kind, subject), config, spec.get("eventBusName") or "")
        for kind, events in spec.items()
        if kind not in _FRAME
        for subject, config in (events or {}).items()
    ]
    subjects = [one.place.subject for one in found]
    doubled = sorted({subject for subject in subjects if subjects.count(subject) > 1})
    if doubled:
        raise InvalidManifest([_doubled(name, subject) for subject in doubled])
    return found


def _doubled(name: str, subject: str) -> Problem:
    return Problem(
        message=f'more than one "{subject}" found in the spec',
        object=f"EventSource/{name}",
        path="spec",
        found=subject,
        expected="a name of its own for every event, whatever its kind",
        advice="rename one of them",
    )


def _identity(manifest: Any) -> tuple[str, str]:
    return manifest.metadata.namespace or "default", manifest.metadata.name


def _order(place: Place) -> tuple[str, str, str]:
    return place.namespace, place.name, place.subject
