"""One configured event: its source kept running, its filter, its counts."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.errors import BiremeError, UserError
from bireme.kit.ids import Ids, digest
from bireme.storage.ports import Transaction
from events import blocks, fields
from events.model import Event
from events.patience import until_durable
from events.ports import (
    DEFAULT_BUS,
    BadSourceConfig,
    Bus,
    EventSource,
    NewEvent,
    Place,
    Poison,
    PoisonMessage,
    Surroundings,
    TooLarge,
)
from events.registry import sources

if TYPE_CHECKING:
    from events.filtering import PayloadFilter

log = structlog.get_logger(__name__)

_NONE: Mapping[str, bytes | None] = MappingProxyType({})
_BACKOFF = Backoff(base_s=1, factor=2, cap_s=60)

State = Literal["starting", "listening", "waiting to restart", "refused"]


class SourceStatus(msgspec.Struct, kw_only=True, rename="camel"):
    """How one configured event fares. Counts begin when its source was applied."""

    namespace: str
    name: str
    kind: str
    subject: str
    state: State = "starting"
    error: str = ""
    restarts: int = 0
    accepted: int = 0
    duplicates: int = 0
    filtered: int = 0
    filter_errors: int = 0
    failed: int = 0
    poison: int = 0
    refused: int = 0
    last_refusal: str = ""
    last_event_at: datetime | None = None


class Configured(NamedTuple):
    """One event of a manifest, and the name of the bus its source is told to use."""

    place: Place
    config: Any
    bus: str = ""


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


class Inlet:
    """Runs one source, again when it fails, and publishes what it hands over. `settled` is set once it listens, or
    once it has said why it does not."""

    def __init__(
        self, one: Configured, around: Surroundings, bus: Bus, poison: Poison | None = None
    ) -> None:
        self.one = one
        self.task: asyncio.Task[None] | None = None
        self.settled = asyncio.Event()
        place = around.place
        self.status = SourceStatus(
            namespace=place.namespace, name=place.name, kind=place.kind, subject=place.subject
        )
        self._around = dataclasses.replace(
            around, ready=self._listens, set_aside=self._set_aside, refused=self._refused
        )
        self._bus = bus
        self._poison = poison
        self._event_ids = _EventIds(around.ids)
        self._blank = _blank(one)
        self._filter: PayloadFilter | None = None
        self._log = log.bind(source=place.name, subject=place.subject, kind=place.kind)

    def _listens(self) -> None:
        self.status.state, self.status.error = "listening", ""
        self.settled.set()

    def _refused(self, reason: str) -> None:
        """Counted each time; told in the log less and less often, for strangers may knock as often as they like."""
        status = self.status
        status.refused += 1
        status.last_refusal = reason
        if status.refused.bit_count() == 1:
            self._log.warning("request_refused", reason=reason, refused=status.refused)

    async def run(self) -> None:
        """Build the source and keep it running. A config that cannot work is refused once and for all."""
        try:
            source = self._build()
        except Exception as error:  # noqa: BLE001 (a plugin that cannot be loaded is refused like a config that cannot work)
            self.status.state, self.status.error = "refused", str(error)
            self._log.error("event_source_refused", error=str(error))
            self.settled.set()
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
        config = fields.decode(kind.Config, self.one.config, path)
        # Some kinds have a filter of their own, without an expression.
        expression = getattr(getattr(config, "filter", None), "expression", None)
        if expression is not None:
            self._filter = _compiled(expression, f"{path}.filter.expression")
        try:
            source = kind(config, self._around)
        except BadSourceConfig as error:
            raise BadSourceConfig(f"{path}: {error}") from error
        for name, complaint in blocks.faults(self.one.config):
            raise BadSourceConfig(f"{path}.{name}: {complaint}")
        return source

    async def _listen(self, source: EventSource) -> str:
        """Run the source until it ends; returns why it did. A source should not end, so that is a fault too."""
        try:
            await source.run(self._publish)
        except Exception as error:  # noqa: BLE001 (the supervisor's boundary: whatever a source does, others go on)
            if not isinstance(error, BiremeError):
                self._log.exception("event_source_broke", error=str(error))
            return str(error) or type(error).__name__
        return "the source ended by itself"

    def _complain(self, error: str, wait_s: float) -> None:
        if error != self.status.error:
            self._log.warning("event_source_failed", error=error, retry_in_s=wait_s)
        self.status.state, self.status.error = "waiting to restart", error
        self.settled.set()

    async def _publish(
        self,
        given: Sequence[NewEvent],
        facts: Mapping[str, bytes | None] = _NONE,
        after: Mapping[str, bytes | None] = _NONE,
        refuse_large: bool = False,
    ) -> Sequence[Event]:
        """Filter, complete and publish. What the filter turns away is counted, and is no failure."""
        now = self._around.clock.now()
        if chosen := self._filter:
            given = [event for event in given if self._is_wanted(event, chosen)]
        events = [self._complete(event, now) for event in given]
        try:
            return await self._put(events, facts, after)
        except TooLarge as error:
            # Before the others: what notes their place notes that of these too.
            large = [event for event in events if event.id in error.reasons]
            await self._set_aside([_poison_of(event, error.reasons[event.id]) for event in large])
            if refuse_large:
                raise
            rest = [event for event in events if event.id not in error.reasons]
            return await self._put(rest, facts, after)

    async def _put(
        self,
        events: Sequence[Event],
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None],
    ) -> Sequence[Event]:
        """Raises TooLarge, and what else the bus raises, which is counted."""
        if not events:
            if facts:
                await self._around.state.note(self._around.place, facts, after)
            return ()
        also = partial(self._note, facts=facts, after=after) if facts else None
        try:
            accepted = await self._bus.publish(events, also)
        except TooLarge:
            raise  # the events it names are set aside, the others are published yet
        except BiremeError:
            self.status.failed += len(events)
            raise
        new = sum(1 for one, event in zip(accepted, events, strict=True) if one.id == event.id)
        self.status.accepted += new
        self.status.duplicates += len(events) - new
        self.status.last_event_at = self._around.clock.now()
        return accepted

    async def _set_aside(self, found: Sequence[PoisonMessage]) -> None:
        """Told first: what cannot be kept for now is seen in the log."""
        for one in found:
            self._log.error("message_is_poison", error=one.reason, bytes=len(one.raw), **one.where)
        self.status.poison += len(found)
        if found and self._poison is not None:
            kept = partial(self._poison.keep, self._around.place, found)
            await until_durable(kept, len(found), self._around.clock)

    def _note(
        self,
        tx: Transaction,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None],
    ) -> None:
        self._around.state.note_inside(tx, self._around.place, facts, after)

    def _complete(self, event: NewEvent, now: datetime) -> Event:
        return msgspec.structs.replace(
            self._blank,
            id=event.id or self._event_ids.next(now),
            time=event.time or now,
            data=event.data,
            content_type=event.content_type,
            attributes=event.attributes or {},
            dedup=event.dedup,
        )

    def _is_wanted(self, event: NewEvent, chosen: "PayloadFilter") -> bool:
        try:
            wanted = chosen.accepts(event.data)
        except UserError as error:
            self.status.filter_errors += 1
            self._log.warning("event_filter_failed", error=str(error))
            return False
        if not wanted:
            self.status.filtered += 1
            self._log.debug("event_filtered_out")
        return wanted


def _blank(one: Configured) -> Event:
    """What all events of a source have in common."""
    return Event(
        id="",
        namespace=one.place.namespace,
        source=one.place.name,
        subject=one.place.subject,
        type=one.place.kind,
        time=datetime.fromtimestamp(0, UTC),
        data=b"",
        bus="" if one.bus == DEFAULT_BUS else one.bus,
    )


def _poison_of(event: Event, reason: str) -> PoisonMessage:
    return PoisonMessage(reason, {"id": event.dedup or event.id}, event.data)


def _compiled(expression: str, path: str) -> "PayloadFilter":
    # The expression language is imported only for who uses it.
    from events.filtering import PayloadFilter

    try:
        return PayloadFilter(expression)
    except UserError as error:
        raise BadSourceConfig(f"{path}: {error}") from error
