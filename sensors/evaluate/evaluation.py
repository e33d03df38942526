"""The working memory of one evaluation, and how a decision is noted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from bireme.kit import ids
from events.model import Event
from sensors.cells import Address, Cell
from sensors.model import (
    JSON,
    Decision,
    Fire,
    Outcome,
    Place,
    Replacement,
    Sensor,
    SensorState,
    Step,
    TriggerRule,
    TriggerState,
    Verdict,
)
from sensors.view import View

Members = Mapping[str, Sequence[Event]]
"""The events of one firing by dependency, oldest first."""


@lru_cache(maxsize=1)
def _seconds(now: datetime) -> float:
    """Seconds since the epoch; a batch of events is evaluated at one moment."""
    return now.timestamp()


class Kept:
    """What an evaluation changes of what a sensor remembers; most events change nothing."""

    __slots__ = ("cells", "changed", "ends", "starts", "triggers")

    def __init__(self) -> None:
        self.triggers: dict[str, TriggerState] = {}
        self.changed: set[str] = set()
        self.cells: dict[Address, Cell | None] = {}
        self.starts: list[str] = []
        self.ends: list[Replacement] = []


class Evaluation:
    """What one step has found out so far; gone when the step is done."""

    __slots__ = ("_kept", "at", "decisions", "fires", "now", "sensor", "state")

    def __init__(self, sensor: Sensor, state: SensorState, now: datetime) -> None:
        self.sensor = sensor
        self.state = state
        self.now = now
        self.at = _seconds(now)
        self.decisions: list[Decision] = []
        self.fires: list[Fire] = []
        self._kept: Kept | None = None

    @property
    def kept(self) -> Kept:
        """Made when first asked for."""
        if self._kept is None:
            self._kept = Kept()
        return self._kept

    def result(self, position: int) -> Step:
        """Everything found out, and the state after it."""
        state, kept = self.state, self._kept
        decisions, fires = tuple(self.decisions), tuple(self.fires)
        if kept is None:
            return Step(SensorState(position, state.triggers, state.cells), decisions, fires)
        after = SensorState(
            position,
            {**state.triggers, **kept.triggers} if kept.triggers else state.triggers,
            state.cells.replaced(kept.cells) if kept.cells else state.cells,
        )
        changed, starts, ends = frozenset(kept.changed), tuple(kept.starts), tuple(kept.ends)
        return Step(after, decisions, fires, changed, kept.cells, starts, ends)

    def mark(self) -> tuple[Any, ...]:
        """Where the evaluation stands; for `back_to`."""
        kept = self.kept
        return (
            dict(kept.triggers), set(kept.changed), dict(kept.cells), len(self.decisions),
            len(self.fires), len(kept.starts), len(kept.ends),
        )  # fmt: skip

    def back_to(self, mark: tuple[Any, ...]) -> None:
        """Undo everything found out since: what could not be finished must not have begun."""
        kept = self.kept
        kept.triggers, kept.changed, kept.cells, *lengths = mark
        for notes, length in zip(
            (self.decisions, self.fires, kept.starts, kept.ends), lengths, strict=True
        ):
            del notes[length:]  # type: ignore[attr-defined]

    def remember(self, rule: TriggerRule, state: TriggerState) -> None:
        self.kept.triggers[rule.name] = state
        self.kept.changed.add(rule.name)

    def cell(self, address: Address) -> Cell | None:
        """What is kept there, as this evaluation has left it."""
        if self._kept is not None and address in self._kept.cells:
            return self._kept.cells[address]
        return self.state.cells.get(address)

    def decide(
        self,
        outcome: Outcome,
        reason: str,
        place: Place,
        seq: int,
        *,
        detail: str = "{}",
        firing: str | None = None,
    ) -> None:
        sensor = self.sensor
        decision = Decision(
            seq=seq,
            namespace=sensor.namespace,
            sensor=sensor.name,
            trigger=place.trigger,
            dependency=place.dependency,
            outcome=outcome,
            reason=reason,
            path=place.path,
            line=place.line,
            detail=detail,
            firing=firing,
            at=self.at,
        )
        self.decisions.append(decision)


class Offer(msgspec.Struct, frozen=True, gc=False):
    """An event that passed the filters of a dependency, as this dependency sees it."""

    name: str
    event: Event
    view: View
    verdict: Verdict


def firing_id(sensor_uid: str, trigger: str, members: Members, correlation: str = "") -> str:
    """The same events at the same trigger give the same id, in whatever order they came."""
    every = sorted((name, e.source, e.id) for name, events in members.items() for e in events)
    parts = [text for item in every for text in item]
    return ids.digest(sensor_uid, trigger, correlation, *parts)


def id_of_one(sensor_uid: str, trigger: str, dependency: str, event: Event) -> str:
    """`firing_id` of a single event without correlation, as most firings are."""
    known = _known(sensor_uid, trigger, dependency, event.source)
    return ids.digest_of(known + ids.framed(event.id))


@lru_cache(maxsize=4096)
def _known(sensor_uid: str, trigger: str, dependency: str, source: str) -> bytes:
    """What every firing of one dependency has in common."""
    return b"".join(map(ids.framed, (sensor_uid, trigger, "", dependency, source)))


def at(dependency: str, rule: TriggerRule) -> Place:
    return Place(rule.name, dependency, rule.path, rule.line)


def encode(detail: dict[str, Any]) -> str:
    return JSON.encode(detail).decode()
