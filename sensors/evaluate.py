"""The evaluator: a pure function from a sensor, its state and an event to decisions.

No clock, no chance, no I/O: `now` comes in, rows go out. The shell in `run.py` writes what comes back.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from bireme.kit import ids
from bireme.lang import cron
from events.model import Event
from sensors import throttle
from sensors.errors import BadSensor
from sensors.model import (
    JSON,
    Decision,
    Dependency,
    Fire,
    Outcome,
    Sensor,
    SensorState,
    Step,
    StoredEvent,
    TriggerRule,
    TriggerState,
    Verdict,
)
from sensors.view import View

NEW = TriggerState()


def step(
    sensor: Sensor, state: SensorState, event: Event, now: datetime, view: View | None = None
) -> Step:
    """What `event` does to `sensor`: decisions for every dependency it belongs to, and the firings they lead to.

    The event must be one that `sensor.routes` knows; an event at or before `state.position` changes nothing. `view`
    spares parsing the event again when many sensors look at it.
    """
    return _Evaluation(sensor, state, event, now, view or View(event)).run()


class _Place(NamedTuple):
    """The line of the manifest that a decision is about."""

    trigger: str
    dependency: str
    path: str
    line: int


class _Evaluation:
    """The working memory of one step; gone when the step is done."""

    __slots__ = (
        "at", "changed", "decisions", "event", "fires", "now", "sensor", "state", "triggers", "view",
    )  # fmt: skip

    def __init__(
        self, sensor: Sensor, state: SensorState, event: Event, now: datetime, view: View
    ) -> None:
        self.sensor = sensor
        self.state = state
        self.event = event
        self.view = view
        self.now = now
        self.at = now.timestamp()
        self.triggers: dict[str, TriggerState] = {}
        self.changed: set[str] = set()
        self.decisions: list[Decision] = []
        self.fires: list[Fire] = []

    def run(self) -> Step:
        event = self.event
        if event.seq and event.seq <= self.state.position:
            reason = f"event {event.seq} was evaluated before"
            self._decide("deduplicated", reason, _Place("", "", "spec", 0))
            return Step(self.state, tuple(self.decisions))
        for rule in self.sensor.broken:
            self._decide("error", rule.broken, _at("", rule))
        for dependency in self.sensor.routes.get((event.source, event.subject), ()):
            self._judge(dependency)
        after = SensorState(
            max(event.seq, self.state.position), {**self.state.triggers, **self.triggers}
        )
        return Step(after, tuple(self.decisions), tuple(self.fires), frozenset(self.changed))

    def _judge(self, dependency: Dependency) -> None:
        try:
            view = dependency.transform(self.view)
        except BadSensor as error:
            path = f"{dependency.path}.{error.path}"
            self._decide("error", str(error), self._place(dependency, path))
            return
        self.event = view.event  # what this dependency sees is what its triggers get
        verdict = dependency.judge(view)
        if verdict.lets_pass:
            for rule in dependency.triggers:
                self._offer(dependency, rule, verdict)
            return
        path = f"{dependency.path}.filters"
        path = f"{path}.{verdict.path}" if verdict.path else path
        self._decide(
            "error" if verdict.error else "filtered",
            verdict.reason,
            self._place(dependency, path),
            detail=_detail(verdict),
        )

    def _place(self, dependency: Dependency, path: str) -> _Place:
        return _Place("", dependency.name, path, self.sensor.line(path) or dependency.line)

    def _offer(self, dependency: Dependency, rule: TriggerRule, verdict: Verdict) -> None:
        if not rule.is_stateful:
            self._fire(rule, {dependency.name: self.event}, verdict)
            return
        state = self._remembered(rule)
        stored = state.stored
        received = frozenset((*stored, dependency.name))
        if rule.satisfied(received):
            events = {name: kept.event for name, kept in stored.items()}
            self._remember(rule, _state(rule, {}, state.next_slot))
            self._fire(rule, {**events, dependency.name: self.event}, verdict)
            return
        self._wait(dependency, rule, verdict, state)

    def _wait(
        self, dependency: Dependency, rule: TriggerRule, verdict: Verdict, state: TriggerState
    ) -> None:
        older = state.stored.get(dependency.name)
        if older is not None and older.event.id == self.event.id:
            self._decide("deduplicated", "the same event waits already", _at(dependency.name, rule))
            return
        if older is not None:
            self._decide(
                "superseded",
                f"the newer event {self.event.id} takes its place while the condition waits",
                _at(dependency.name, rule),
                seq=older.event.seq,
                detail=_encode({"by": self.event.id}),
            )
        stored = {**state.stored, dependency.name: StoredEvent(self.event, self.at)}
        missing = [name for name in rule.names if name not in stored]
        self._remember(rule, _state(rule, stored, state.next_slot))
        self._decide(
            "waiting",
            f"'{rule.condition}' does not hold yet; not received: {', '.join(missing)}",
            _at(dependency.name, rule),
            detail=_detail(verdict, has=sorted(stored), missing=missing),
        )

    def _fire(self, rule: TriggerRule, events: dict[str, Event], verdict: Verdict) -> None:
        firing = firing_id(self.sensor.uid, rule.name, events)
        not_before = self._slot(rule) if rule.rate else 0.0
        throttled = not_before > self.at
        reason = f"'{rule.condition}' holds" if rule.condition else "the event passed"
        if throttled:
            reason += f"; the rate limit lets it fire in {not_before - self.at:.3f} s"
        names = {name: event.id for name, event in events.items()}
        for name, event in events.items():
            detail = (
                _detail(verdict, events=names)
                if event is self.event
                else _encode({"events": names})
            )
            outcome: Outcome = "throttled" if throttled else "fired"
            self._decide(
                outcome, reason, _at(name, rule), seq=event.seq, detail=detail, firing=firing
            )
        self.fires.append(Fire(firing, rule, events, not_before))

    def _slot(self, rule: TriggerRule) -> float:
        state = self._remembered(rule)
        if rule.rate is None:
            return 0.0
        may_fire, slot = throttle.take(rule.rate, state.next_slot, self.at)
        self._remember(rule, _state(rule, state.stored, slot))
        return may_fire

    def _remembered(self, rule: TriggerRule) -> TriggerState:
        """The trigger's state with everything dropped, in the open, that no longer counts."""
        if rule.name in self.triggers:
            return self.triggers[rule.name]
        state = self.state.triggers.get(rule.name, NEW)
        if state.stored:
            state = self._without_outdated(rule, state)
        if state.stored and rule.resets:
            state = self._without_expired(rule, state)
        self.triggers[rule.name] = state
        return state

    def _remember(self, rule: TriggerRule, state: TriggerState) -> None:
        self.triggers[rule.name] = state
        self.changed.add(rule.name)

    def _without_outdated(self, rule: TriggerRule, state: TriggerState) -> TriggerState:
        if state.condition != rule.condition:
            gone = dict.fromkeys(state.stored, "the trigger's condition was changed")
        else:
            gone = {
                name: "the dependency's definition was changed"
                for name in state.stored
                if state.definitions.get(name) != rule.definitions.get(name)
            }
        return self._drop(rule, state, gone, "superseded")

    def _without_expired(self, rule: TriggerRule, state: TriggerState) -> TriggerState:
        """Resets need no timer: what was gathered before the latest tick is dropped when next looked at."""
        ticks = [cron.previous_before(r.cron, self.now, r.timezone or None) for r in rule.resets]
        latest = max((tick.timestamp() for tick in ticks if tick), default=0.0)
        gone = {
            name: "conditionsReset ticked before the condition held"
            for name, kept in state.stored.items()
            if kept.at < latest
        }
        return self._drop(rule, state, gone, "expired")

    def _drop(
        self, rule: TriggerRule, state: TriggerState, gone: dict[str, str], outcome: Outcome
    ) -> TriggerState:
        for name, why in gone.items():
            self._decide(outcome, why, _at(name, rule), seq=state.stored[name].event.seq)
        if not gone:
            return state
        self.changed.add(rule.name)
        kept = {name: stored for name, stored in state.stored.items() if name not in gone}
        return _state(rule, kept, state.next_slot)

    def _decide(
        self,
        outcome: Outcome,
        reason: str,
        place: _Place,
        *,
        seq: int = -1,
        detail: str = "{}",
        firing: str | None = None,
    ) -> None:
        sensor = self.sensor
        decision = Decision(
            seq=self.event.seq if seq < 0 else seq,
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


def firing_id(
    sensor_uid: str, trigger: str, events: dict[str, Event], correlation: str = ""
) -> str:
    """The same events at the same trigger give the same id, in whatever order they came."""
    parts: Iterable[str] = (
        text for name in sorted(events) for text in (name, events[name].source, events[name].id)
    )
    return ids.digest(sensor_uid, trigger, correlation, *parts)


def _at(dependency: str, rule: TriggerRule) -> _Place:
    return _Place(rule.name, dependency, rule.path, rule.line)


def _state(rule: TriggerRule, stored: dict[str, StoredEvent], slot: float) -> TriggerState:
    return TriggerState(rule.condition, rule.definitions, stored, slot)


def _detail(verdict: Verdict, **more: Any) -> str:
    return _encode({"checks": verdict.checks, **more})


def _encode(detail: dict[str, Any]) -> str:
    return JSON.encode(detail).decode()
