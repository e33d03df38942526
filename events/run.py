"""The bank of event sources: every configured event is a supervised task of its own, with a status people can read."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError, InvalidManifest, Problem, UserError
from bireme.kit.ids import Ids, digest
from bireme.kit.supervise import TaskScope
from events import fields
from events.model import Event
from events.ports import (
    Bus,
    EventSource,
    HttpServers,
    NewEvent,
    Place,
    Publish,
    Secrets,
    SourceState,
    Surroundings,
)
from events.registry import sources

if TYPE_CHECKING:
    from events.filtering import PayloadFilter

log = structlog.get_logger(__name__)

# Members of an EventSource's spec that are no sources.
_FRAME = frozenset({"eventBusName", "replicas", "service", "template"})
_BACKOFF = Backoff(base_s=1, factor=2, cap_s=60)
_STOP_S = 10.0

State = Literal["listening", "waiting to restart", "refused"]


class SourceStatus(msgspec.Struct, kw_only=True, rename="camel"):
    """How one configured event fares. Counts begin when its source was applied."""

    namespace: str
    name: str
    kind: str
    subject: str
    state: State = "listening"
    error: str = ""
    restarts: int = 0
    accepted: int = 0
    filtered: int = 0
    filter_errors: int = 0
    failed: int = 0
    last_event_at: datetime | None = None


class _EventIds:
    """Ids of 32 hex digits: the time in milliseconds, then 80 bits nobody can guess. In the log's index they lie in
    the order of the log, which makes writing it twice as cheap as random ids do."""

    def __init__(self, ids: Ids) -> None:
        self._seed = ids.uid()
        self._count = 0

    def next(self, now: datetime) -> str:
        self._count += 1
        chance = digest(self._seed, str(self._count))
        return f"{int(now.timestamp() * 1000):012x}{chance[:20]}"


class Configured(NamedTuple):
    """One event of a manifest."""

    place: Place
    config: Any


class EventBank:
    """Runs what the applied EventSources say. One source's fault never stops another.

    `metadata` of a manifest needs `name` and `namespace`; its `raw` is the manifest as plain JSON values.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        clock: Clock,
        ids: Ids,
        secrets: Secrets,
        state: SourceState,
        http: HttpServers,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._state = state
        self._http = http
        self._scope = TaskScope("events")
        self._inlets: dict[Place, _Inlet] = {}

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
            if place not in wanted or wanted[place].config != inlet.config
        ]
        await self._stop(stale)
        for place, one in wanted.items():
            if place not in self._inlets:
                self._start(one)

    async def remove(self, namespace: str, name: str) -> None:
        """Stop the events of that EventSource. What they published stays."""
        await self._stop([place for place, _ in self._of(namespace, name)])

    async def close(self) -> None:
        await self._stop(list(self._inlets))
        await self._scope.close()

    def status(self) -> list[SourceStatus]:
        """Of every configured event, in the order of their names."""
        return [self._inlets[place].status for place in sorted(self._inlets, key=_order)]

    def _of(self, namespace: str, name: str) -> "Iterator[tuple[Place, _Inlet]]":
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
        inlet = _Inlet(one.config, around, self._bus)
        self._inlets[one.place] = inlet
        inlet.task = self._scope.start(f"{one.place.name}.{one.place.subject}", inlet.run())

    async def _stop(self, places: Sequence[Place]) -> None:
        tasks = [self._inlets.pop(place).task for place in places]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        if running:
            _, stuck = await asyncio.wait(running, timeout=_STOP_S)
            for task in stuck:
                log.error("event_source_stuck", task=task.get_name(), waited_s=_STOP_S)


class _Inlet:
    """One configured event: its source, its filter, its counts."""

    def __init__(self, config: Any, around: Surroundings, bus: Bus) -> None:
        self.config = config
        self.task: asyncio.Task[None] | None = None
        place = around.place
        self.status = SourceStatus(
            namespace=place.namespace, name=place.name, kind=place.kind, subject=place.subject
        )
        self._around = around
        self._bus = bus
        self._event_ids = _EventIds(around.ids)
        self._filter: PayloadFilter | None = None
        self._log = log.bind(source=place.name, subject=place.subject, kind=place.kind)

    async def run(self) -> None:
        """Build the source and keep it running. A config that cannot work is refused once and for all."""
        try:
            source = self._build()
        except UserError as error:
            self.status.state, self.status.error = "refused", str(error)
            self._log.error("event_source_refused", error=str(error))
            return
        attempt = 0
        while True:
            started = self._around.clock.monotonic()
            fault = await self._listen(source)
            if self._around.clock.monotonic() - started > _BACKOFF.cap_s:
                attempt = 0
            attempt += 1
            self._complain(fault, _BACKOFF.delay(attempt))
            await self._around.clock.sleep(_BACKOFF.delay(attempt))
            self.status.restarts += 1

    def _build(self) -> EventSource:
        place = self._around.place
        kind = sources[place.kind]
        path = f"spec.{place.kind}.{place.subject}"
        config = fields.decode(kind.Config, self.config, path)
        wanted: fields.Filter | None = getattr(config, "filter", None)
        if isinstance(wanted, fields.Filter):
            from events.filtering import (
                PayloadFilter,
            )  # the expression language, only for who uses it

            self._filter = PayloadFilter(wanted.expression)
        return kind(config, self._around)

    async def _listen(self, source: EventSource) -> str:
        """Run the source until it ends; returns why it did. A source should not end, so that is a fault too."""
        self.status.state = "listening"
        publish: Publish = self._publish
        try:
            await source.run(publish)
        except Exception as error:  # noqa: BLE001 (the supervisor's boundary: whatever a source does, others go on)
            if not isinstance(error, BiremeError):
                self._log.exception("event_source_broke", error=str(error))
            return str(error) or type(error).__name__
        return "the source ended by itself"

    def _complain(self, error: str, wait_s: float) -> None:
        if error != self.status.error:
            self._log.warning("event_source_failed", error=error, retry_in_s=wait_s)
        self.status.state, self.status.error = "waiting to restart", error

    async def _publish(self, given: Sequence[NewEvent]) -> Sequence[Event]:
        """Filter, complete and publish. What the filter turns away is counted, and is no failure."""
        now = self._around.clock.now()
        events = [self._complete(event, now) for event in given if self._is_wanted(event)]
        if not events:
            return ()
        try:
            accepted = await self._bus.publish(events)
        except BiremeError:
            self.status.failed += len(events)
            raise
        self.status.accepted += len(events)
        self.status.last_event_at = now
        self.status.error = ""
        return accepted

    def _complete(self, event: NewEvent, now: datetime) -> Event:
        place = self._around.place
        return Event(
            id=event.id or self._event_ids.next(now),
            namespace=place.namespace,
            source=place.name,
            subject=place.subject,
            type=place.kind,
            time=event.time or now,
            data=event.data,
            content_type=event.content_type,
            attributes=event.attributes or {},
            dedup=event.dedup,
        )

    def _is_wanted(self, event: NewEvent) -> bool:
        if self._filter is None:
            return True
        try:
            wanted = self._filter.accepts(event.data)
        except UserError as error:
            self.status.filter_errors += 1
            self._log.warning("event_filter_failed", error=str(error))
            return False
        if not wanted:
            self.status.filtered += 1
            self._log.debug("event_filtered_out")
        return wanted


def configured(namespace: str, name: str, spec: Mapping[str, Any]) -> list[Configured]:
    """Every event of an EventSource's spec. Raises InvalidManifest when two share a name."""
    found = [
        Configured(Place(namespace=namespace, name=name, kind=kind, subject=subject), config)
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
