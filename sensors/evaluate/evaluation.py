"""The working memory of one evaluation, and how a decision is noted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bireme.kit import ids
from events.model import Event
from sensors.cells import Address, Cell
from sensors.model import (
    JSON,
    Decision,
    Dependency,
    Fire,
    Outcome,
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


class Place(NamedTuple):
    """The line of the manifest that a decision is about."""

    trigger: str
    dependency: str
    path: str
    line: int


class Evaluation:
    """What one step has found out so far; gone when the step is done."""

    __slots__ = (
        "at", "cells", "changed", "decisions", "ends", "fires", "now", "sensor", "starts", "state", "triggers",
    )  # fmt: skip

    def __init__(self, sensor: Sensor, state: SensorState, now: datetime) -> None:
        self.sensor = sensor
        self.state = state
        self.now = now
        self.at = now.timestamp()
        self.triggers: dict[str, TriggerState] = {}
        self.changed: set[str] = set()
        self.cells: dict[Address, Cell | None] = {}
        self.decisions: list[Decision] = []
        self.fires: list[Fire] = []
        self.starts: list[str] = []
        self.ends: list[Replacement] = []

    def result(self, position: int) -> Step:
        """Everything found out, and the state after it."""
        state, decisions, fires = self.state, tuple(self.decisions), tuple(self.fires)
        if not (self.triggers or self.cells):  # most events: nothing is remembered
            return Step(SensorState(position, state.triggers, state.cells), decisions, fires)
        after = SensorState(
            position,
            {**state.triggers, **self.triggers} if self.triggers else state.triggers,
            state.cells.replaced(self.cells) if self.cells else state.cells,
        )
        return Step(
            after,
            decisions,
            fires,
            frozenset(self.changed),
            self.cells,
            tuple(self.starts),
            tuple(self.ends),
        )

    def mark(self) -> tuple[Any, ...]:
        """Where the evaluation stands; for `back_to`."""
        return (
            dict(self.triggers), set(self.changed), dict(self.cells), len(self.decisions),
            len(self.fires), len(self.starts), len(self.ends),
        )  # fmt: skip

    def back_to(self, mark: tuple[Any, ...]) -> None:
        """Undo everything found out since: what could not be finished must not have begun."""
        self.triggers, self.changed, self.cells, *lengths = mark
        for notes, length in zip(
            (self.decisions, self.fires, self.starts, self.ends), lengths, strict=True
        ):
            del notes[length:]  # type: ignore[attr-defined]

    def remember(self, rule: TriggerRule, state: TriggerState) -> None:
        self.triggers[rule.name] = state
        self.changed.add(rule.name)

    def cell(self, address: Address) -> Cell | None:
        """What is kept there, as this evaluation has left it."""
        if address in self.cells:
            return self.cells[address]
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


class Offer(NamedTuple):
    """An event that passed the filters of a dependency, as this dependency sees it."""

    dependency: Dependency
    view: View
    verdict: Verdict

    @property
    def event(self) -> Event:
        return self.view.event

    @property
    def name(self) -> str:
        return self.dependency.name


def firing_id(sensor_uid: str, trigger: str, members: Members, correlation: str = "") -> str:
    """The same events at the same trigger give the same id, in whatever order they came."""
    if len(members) == 1:
        [(name, events)] = members.items()
        if len(events) == 1:  # most firings: nothing to sort
            return ids.digest(
                sensor_uid, trigger, correlation, name, events[0].source, events[0].id
            )
    every = sorted((name, e.source, e.id) for name, events in members.items() for e in events)
    parts = [text for item in every for text in item]
    return ids.digest(sensor_uid, trigger, correlation, *parts)


def at(dependency: str, rule: TriggerRule) -> Place:
    return Place(rule.name, dependency, rule.path, rule.line)


def encode(detail: dict[str, Any]) -> str:
    return JSON.encode(detail).decode()
