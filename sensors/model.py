"""Sensors, their state, their decisions and firings as values. What has a row is a Struct; the rest is a dataclass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from events.model import Event
from sensors.cells import NO_CELLS, Address, Cell, Cells
from sensors.view import View

Outcome = Literal[
    "fired",
    "filtered",
    "waiting",
    "superseded",
    "deduplicated",
    "throttled",
    "expired",
    "error",
    "held",
    "queued",
    "dropped",
]
"""What became of an event at one sensor. `error` is never counted as "no match"."""

FiringStatus = Literal["pending", "fired", "dead", "held", "queued", "replaced", "discarded"]

JSON = msgspec.json.Encoder()


class Check(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One comparison a filter made: the field it looked at, what it saw there and what it wanted."""

    path: str
    passed: bool
    field: str = ""
    saw: str = ""
    wanted: str = ""
    error: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one filter, or all filters of a dependency, say about an event.

    `error` is not empty when the question could not be answered; such a verdict never lets an event pass, even when
    `passed` holds the value upstream computed on the side. `path` is the deciding place below `filters`.
    """

    passed: bool
    error: str = ""
    reason: str = ""
    path: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def lets_pass(self) -> bool:
        return self.passed and not self.error


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of `decisions`: what happened to an event at a sensor, why, by which line, with which values.

    `trigger` is empty when the decision holds for every trigger that uses the dependency. `detail` is JSON text.
    """

    seq: int
    namespace: str
    sensor: str
    trigger: str
    dependency: str
    outcome: Outcome
    reason: str
    path: str
    line: int
    detail: str
    firing: str | None
    at: float


class Place(msgspec.Struct, frozen=True, gc=False):
    """The line of the manifest that a decision is about."""

    trigger: str
    dependency: str
    path: str
    line: int


class StoredEvent(msgspec.Struct, frozen=True):
    """The newest event that passed for a dependency of a trigger whose condition is not met yet."""

    event: Event
    at: float


class TriggerState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a trigger remembers: partial conditions, under which definitions they were gathered, its next free slot."""

    condition: str = ""
    definitions: dict[str, str] = {}
    stored: dict[str, StoredEvent] = {}
    next_slot: float = 0.0


class SensorState(msgspec.Struct, frozen=True, gc=False):
    """Everything a sensor remembers: the last event it has seen, its triggers' states (missing means new), and what is
    kept by key.
    """

    position: int = 0
    triggers: dict[str, TriggerState] = {}
    cells: Cells = NO_CELLS


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Argo's Backoff: at most `steps` attempts; the wait after the n-th is `duration_s * factor**(n-1)`, spread."""

    steps: int = 5
    duration_s: float = 1.0
    factor: float = 1.0
    jitter: float = 1.0


ONCE = Retry(steps=1)


class Firing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One act of a trigger, kept in the outbox until it is done or dead. Acting twice on one id is one act.

    `spec` is all the trigger needs, parameters resolved. It is None when resolving failed, for the reason `unready`:
    then `events` holds the events themselves, so that a corrected sensor can be driven again. `on_dead` is the
    dlqTrigger's firing. `slot` is the key under which it counts against the trigger's concurrency limit, None when
    there is no limit.
    """

    id: str
    namespace: str
    sensor: str
    trigger: str
    kind: str
    spec: dict[str, Any] | None
    event_ids: dict[str, str] = {}
    events: dict[str, Event] = {}
    retry: Retry = ONCE
    on_dead: "Firing | None" = None
    slot: str | None = None
    unready: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a trigger brought about: the workflow it made, or the answer it got."""

    kind: str
    namespace: str = ""
    name: str = ""
    uid: str = ""
    status: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a firing comes from, as far as it shows in what is made (labels, headers)."""

    namespace: str
    sensor: str
    trigger: str
    at: float


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most one firing per `interval_s`, evenly spaced, with ten saved-up slots."""

    interval_s: float


@dataclass(frozen=True, slots=True)
class Reset:
    """`conditionsReset`: what was gathered before the latest tick of `cron` is dropped."""

    cron: str
    timezone: str


KeyOf = Callable[[str, View], str]
"""From a dependency's name and its event to the key; raises BadSensor when the event has none."""


@dataclass(frozen=True, slots=True)
class JoinRule:
    """`join`: what belongs together. `digest` changes with the text."""

    key: KeyOf
    within_s: float
    mode: str
    on_timeout: str
    digest: str


@dataclass(frozen=True, slots=True)
class CoalesceRule:
    """`coalesce`: `quiet_s` and `longest_s` are infinite where not given."""

    key: KeyOf
    quiet_s: float
    longest_s: float
    max_events: int
    deliver: str


@dataclass(frozen=True, slots=True)
class ConcurrencyRule:
    """`concurrency`: at most `limit` at a time for each key."""

    key: KeyOf
    limit: int
    on_conflict: str


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """`breaker`: at most `most` firings in each `per_s` seconds, counted from the first."""

    most: int
    per_s: float


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """One trigger, compiled: when it fires. `definition` is the manifest's own text of it, for whoever acts.

    `broken` says why the trigger can never fire. `is_plain` is true if one event is enough, nothing is remembered and
    nothing limits it. `names` are the dependencies of its condition, in the order it names them, `definitions` the
    digests of their texts; `satisfied` asks the condition about the set of received ones.
    """

    name: str
    index: int
    kind: str
    definition: dict[str, Any]
    condition: str
    names: tuple[str, ...]
    definitions: dict[str, str]
    satisfied: Callable[[frozenset[str]], bool]
    is_stateful: bool
    retry: Retry
    rate: RateLimit | None
    resets: tuple[Reset, ...]
    path: str
    line: int
    broken: str = ""
    is_plain: bool = False
    join: JoinRule | None = None
    coalesce: CoalesceRule | None = None
    concurrency: ConcurrencyRule | None = None
    breaker: BreakerRule | None = None

    @property
    def written(self) -> str:
        """The condition as the manifest has it: empty when every dependency is meant."""
        return (self.definition.get("template") or {}).get("conditions") or ""

    @property
    def is_keyed(self) -> bool:
        """True if something is kept by key."""
        return bool(self.join or self.coalesce or self.concurrency or self.breaker)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency, compiled: which events it is about, how it sees one and how its filters judge what it sees.

    `transform` raises BadSensor for an event it cannot change. `place` tells where in the manifest a path below the
    dependency is.
    """

    name: str
    source: str
    subject: str
    transform: Callable[[View], View]
    judge: Callable[[View], Verdict]
    place: Callable[[str], Place]
    triggers: tuple[TriggerRule, ...]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor ready to evaluate. `routes` leads from (source, subject) to the dependencies that want such events."""

    namespace: str
    name: str
    uid: str
    routes: Mapping[tuple[str, str], tuple[Dependency, ...]]
    triggers: Mapping[str, TriggerRule]
    line: Callable[[str], int]
    broken: tuple[TriggerRule, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Fire(msgspec.Struct, frozen=True, gc=False):
    """The evaluator's wish: this rule fires with these events, by dependency, not before that moment.

    `status` other than pending: it is held for review, queued for a free slot, or dead from the start; `reason` says
    why.
    """

    id: str
    rule: TriggerRule
    events: dict[str, Event]
    not_before: float = 0.0
    status: FiringStatus = "pending"
    reason: str = ""
    slot: str | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """The evaluator's wish: what the firing `id` has started ends, because `by` takes its place."""

    id: str
    by: str


class Step(msgspec.Struct, frozen=True, gc=False):
    """What one event, or one moment, did to one sensor.

    `changed` names the triggers whose state has to be kept again, `cells` what is kept by key from now on (None: no
    longer). `starts` are queued firings whose slot is free.
    """

    state: SensorState
    decisions: tuple[Decision, ...] = ()
    fires: tuple[Fire, ...] = ()
    changed: frozenset[str] = frozenset()
    cells: Mapping[Address, Cell | None] = {}
    starts: tuple[str, ...] = ()
    ends: tuple[Replacement, ...] = ()
