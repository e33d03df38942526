"""What an event source and a bus must do, and what they are given."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError, Conflict, ServiceError, UserError
from bireme.kit.ids import Ids
from bireme.storage.ports import Transaction
from events.model import Event


class EventsError(BiremeError):
    """Base of what goes wrong in this bank's lower deck."""


class BadSourceConfig(EventsError, UserError):
    """The EventSource's configuration cannot work; the message names the field."""


class Overtaken(EventsError, Conflict):
    """Somebody else has moved the place that this was to move on from."""


DEFAULT_BUS = "default"
"""The EventBus of whoever names none."""

Also = Callable[[Transaction], None]
"""More rows for the commit of a publication."""


class Publish(Protocol):
    """How a source hands over events. Durable on return; `facts` are then noted too, in the very same commit.

    `after` has some of their names, with the facts as they have to be until then: when one is not, somebody else has
    gone on from there, nothing is kept, and Overtaken is raised. So a publication with `after` happens once, and its
    events need no `dedup`; they need an id of their own, by which an outside bus knows them.

    An event larger than the bus takes is set aside, and the others are published. With `refuse_large`, for whoever can
    tell the sender, nothing is: TooLarge is raised.
    """

    def __call__(
        self,
        events: Sequence["NewEvent"],
        /,
        facts: Mapping[str, bytes | None] = ...,
        after: Mapping[str, bytes | None] = ...,
        refuse_large: bool = ...,
    ) -> Awaitable[Sequence[Event]]: ...


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """What a source hands over: the shell adds id, namespace, source, subject, type and time where they are missing."""

    data: bytes
    content_type: str = "application/json"
    id: str = ""
    dedup: str = ""
    time: datetime | None = None
    attributes: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Which configured source this is: EventSource `name` in `namespace`, its `kind` and its event `subject`."""

    namespace: str
    name: str
    kind: str
    subject: str


class Secrets(Protocol):
    """Secret and config-map values by reference. Raises NotFound naming the reference, never the value."""

    def secret(self, namespace: str, name: str, key: str) -> bytes: ...
    def config(self, namespace: str, name: str, key: str) -> str: ...


class Asker(Protocol):
    """Who wants a client: its place, which names it, and where its secrets are."""

    @property
    def place(self) -> Place: ...
    @property
    def secrets(self) -> Secrets: ...


class TimedAsker(Asker, Protocol):
    """One whose credentials depend on the time."""

    @property
    def clock(self) -> Clock: ...


class SourceState(Protocol):
    """A little durable memory per source (a calendar's last tick). None when nothing was kept.

    Facts are for what has many parts (the objects of a bucket): each has a name and is kept apart. `note` keeps all
    it is given or nothing; None forgets the name. `after` may say what some of them have to be until then, None that
    there is none: when it is otherwise, Overtaken is raised.
    """

    async def load(self, place: Place) -> bytes | None: ...
    async def save(self, place: Place, state: bytes) -> None: ...
    async def facts(self, place: Place) -> dict[str, bytes]: ...
    async def note(
        self,
        place: Place,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None] = ...,
    ) -> None: ...
    def note_inside(
        self,
        tx: Transaction,
        place: Place,
        facts: Mapping[str, bytes | None],
        after: Mapping[str, bytes | None] = ...,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class PoisonMessage:
    """A message that can be no event. `where` names it as its server does; `reason` never says what is in it."""

    reason: str
    where: Mapping[str, Any]
    raw: bytes


class Poison(Protocol):
    """Where such messages are kept. Durable on return."""

    async def keep(self, place: Place, found: Sequence[PoisonMessage]) -> None: ...


async def _nowhere(found: Sequence[PoisonMessage]) -> None:
    """For surroundings that keep none."""


class HttpServers(Protocol):
    """HTTP listeners shared by the webhook kinds: several routes may live on one port."""

    async def route(
        self, *, port: int, path: str, handler: Any, owner: str, host: str = "", tls: Any = None
    ) -> Callable[[], Awaitable[None]]:
        """Serve `handler` there, whatever the method; returns what takes the route away again.

        `owner` is named in the error of whoever wants the same place later. Raises BadSourceConfig on a clash of
        path or of TLS, ServiceError when the port cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the shell gives every source. A source's own clients are its own affair.

    A source calls `ready` once nothing that happens from now on can escape it, and `set_aside` with messages that can
    be no event, before it acknowledges them: they are counted, told and kept, and that is waited for. `refused` is told
    why a request was turned away, never what was in it.
    """

    place: Place
    clock: Clock
    ids: Ids
    secrets: Secrets
    state: SourceState
    http: HttpServers
    ready: Callable[[], None] = lambda: None
    set_aside: Callable[[Sequence[PoisonMessage]], Awaitable[None]] = _nowhere
    refused: Callable[[str], None] = lambda reason: None


class BusAway(EventsError, ServiceError):
    """The bus does not answer; nothing of the publication may be taken as accepted."""


class TooLarge(EventsError, UserError):
    """Events of a publication are larger than the bus takes, and nothing of it was accepted. `reasons` tell of each
    of them, by its id."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class BusSurroundings:
    """What a bus outside of this process is given: whose EventBus it is, and what it needs to get there."""

    namespace: str
    name: str
    clock: Clock
    ids: Ids
    secrets: Secrets


class EventSource(Protocol):
    """One configured source, e.g. webhook "github-push". Built as `cls(config, surroundings)`.

    The class has `Config` (a msgspec Struct with Argo's field names) and is registered under Argo's spec key.
    """

    async def run(self, publish: Publish) -> None:
        """Run until cancelled. `publish` returns once the events are durable; acknowledge upstream only then."""
        ...


class Bus(Protocol):
    """The log. Events have one order (`seq`) and stay until retention removes them."""

    async def publish(self, events: Sequence[Event], also: Also | None = None) -> Sequence[Event]:
        """Durable on return, together with what `also` wrote, or neither.

        The events as accepted, with `seq`; a repeated `dedup` gives the first event again.
        """
        ...

    def read(self, consumer: str, after: int) -> AsyncIterator[Sequence[Event]]:
        """Batches of events with `seq > after`, in order, waiting without polling for more; ends when cancelled."""
        ...
