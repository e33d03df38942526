"""One unit of work of the bank: events in, decisions, states, cursors and firings out, in one transaction.

Runs in the database's writer thread. Whatever one sensor does wrong becomes a decision of that sensor.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from bireme.kit.errors import BiremeError
from bireme.storage.ports import Transaction
from events import store as log
from events.model import Event
from sensors import cell_store, quarantine, store
from sensors.ahead import Ahead
from sensors.cell_store import StoredCells
from sensors.cells import Address
from sensors.entry import Entry
from sensors.evaluate import step, tick
from sensors.evaluate.firing import REPEATED
from sensors.model import JSON, Decision, Fire, Firing, Sensor, SensorState, Step
from sensors.outbox import Outbox
from sensors.prepare import prepare, unprepared
from sensors.view import View

logger = structlog.get_logger(__name__)

_AT_ONCE = 500
_FAR = 2**62
_PUT_OFF_S = 300.0


@dataclass(slots=True)
class _Work:
    """A sensor within this transaction."""

    entry: Entry
    state: SensorState
    changed: set[str] = field(default_factory=set)
    stood: int | None = None
    is_complete: bool = False
    cells: StoredCells | None = None


class Intake:
    """Evaluates events for sensors inside `tx`. Call `finish` once, at the end."""

    def __init__(self, tx: Transaction, outbox: Outbox, now: datetime, programs: Ahead) -> None:
        self.tx = tx
        self.outbox = outbox
        self.now = now
        self.programs = programs
        self.at = now.timestamp()
        self.decisions: list[Decision] = []
        self._work: dict[str, _Work] = {}
        self._failed: dict[int, Event] = {}
        self._later: dict[str, tuple[Firing, float]] = {}

    def take(self, event: Event, entries: Sequence[Entry]) -> None:
        """Evaluate an event that was just accepted. A sensor that lags behind sees what it missed first."""
        view = self._view(event)
        for entry in entries:
            if (entry.is_settled or self.settle(entry, event.seq)) and self._is_new(entry, event):
                self._evaluate(entry, event, view)

    def settle(self, entry: Entry, before: int = _FAR) -> bool:
        """Show a sensor what it missed before seq `before`, or enrol a new one. False when more is left."""
        work = self._open(entry, before)
        if entry.starts_now:
            missed: list[Event] = []
            work.state = SensorState(self._end(before), work.state.triggers, work.state.cells)
        else:
            missed = missed_by(self.tx, entry, work.state.position, before)
        for event in missed:
            self._evaluate(entry, event, self._view(event))
        if len(missed) == _AT_ONCE:
            return False
        self.tx.on_commit(entry.settle)
        return True

    def ring(self, entry: Entry, address: Address) -> None:
        """Look at a cell whose moment has come. A sensor that lags behind sees what it missed first."""
        if not entry.is_settled and not self.settle(entry):
            return
        work = self._open(entry, _FAR)
        self._remember(work)
        try:
            sensor = entry.sensor
            result = tick(sensor, work.state, address, self.now)
        except Exception as error:  # noqa: BLE001 - the cell stays as it is, and others go on
            self.decisions.append(self._broken(entry, 0, error, address.trigger))
            return
        self._take(work, sensor, result)

    def again(self, entry: Entry, event: Event, dependency: str, trigger: str) -> list[Decision]:
        """Evaluate an event of the past anew, for one dependency and trigger; what is decided now."""
        work = self._open(entry, _FAR)
        self._remember(work)
        before = len(self.decisions)
        self._evaluate(entry, event, self._view(event), (dependency, trigger))
        self._put_waiting()
        return self.decisions[before:]

    def finish(self, wake: Callable[[], None] | None = None) -> None:
        """Write what was decided. `wake` is called once that is durable if moments to come have changed."""
        self._put_waiting()
        store.record(self.tx, self.decisions, self.outbox.holding.name)
        if self._failed:
            self._quarantine()
        changed = [work.cells.write() for work in self._work.values() if work.cells is not None]
        if wake is not None and any(changed):
            self.tx.on_commit(wake)
        store.keep(
            self.tx,
            [
                (key, trigger, work.state.triggers[trigger])
                for key, work in self._work.items()
                for trigger in work.changed
            ],
        )
        moved = [
            (key, w.state.position) for key, w in self._work.items() if w.state.position != w.stood
        ]
        store.move(self.tx, moved)

    def _put_waiting(self) -> None:
        """Put the firings nothing acted on into the outbox, many in one statement."""
        if not self._later:
            return
        known = self.outbox.put_all(self.tx, self._later.values(), self.at)
        self._later.clear()
        self.decisions = _without_repeated(self.decisions, known)

    def _quarantine(self) -> None:
        """Keep the events of the errors; a sensor that has too many loses its oldest, and the log says how many."""
        errors = [d for d in self.decisions if d.outcome == "error" and d.firing is None]
        quarantine.put(self.tx, errors, self._failed)
        sensors = dict.fromkeys((d.namespace, d.sensor) for d in errors)
        for sensor, count in quarantine.bound(self.tx, sensors).items():
            self.tx.on_commit(
                partial(logger.warning, "quarantine_full", sensor=sensor, oldest_removed=count)
            )

    def _is_new(self, entry: Entry, event: Event) -> bool:
        """False for what the sensor's holder before us has seen already."""
        return event.seq > self._open(entry, event.seq).state.position

    def _open(self, entry: Entry, before: int) -> _Work:
        work = self._work.get(entry.key)
        if work is None:
            # What is settled has seen everything before the event at hand, whatever its row says; a worker, which
            # follows the log, may have been before it.
            is_known = entry.is_settled and before != _FAR and self.outbox.holding.is_alone
            position = None if is_known else store.position(self.tx, entry.key)
            state = SensorState(self._end(before) if position is None else position)
            work = self._work[entry.key] = _Work(entry, state, stood=position)
        return work

    def _remember(self, work: _Work) -> None:
        """Load what the triggers remember, not before an event needs it: only then is the sensor compiled."""
        if not work.is_complete and work.entry.remembers:
            kept = store.states(self.tx, work.entry.key)
            workflows = self.outbox.surroundings.workflows
            work.cells = StoredCells(self.tx, work.entry.key, workflows)
            work.state = SensorState(work.state.position, kept, work.cells)
        work.is_complete = True

    def _view(self, event: Event) -> View:
        return View(event, self.programs.of(event))

    def _end(self, before: int) -> int:
        return log.newest(self.tx) if before == _FAR else before - 1

    def _evaluate(
        self, entry: Entry, event: Event, view: View, again: tuple[str, str] | None = None
    ) -> None:
        work = self._work.get(entry.key) or self._open(entry, event.seq)
        if not work.is_complete:
            self._remember(work)
        try:
            sensor = entry.sensor
            result = step(sensor, work.state, event, self.now, view, again)
        except Exception as error:  # noqa: BLE001 - a sensor that breaks is quarantined with its event
            self.decisions.append(self._broken(entry, event.seq, error))
            self._failed[event.seq] = event
            position = max(event.seq, work.state.position)
            work.state = SensorState(position, work.state.triggers, work.state.cells)
            return
        if not entry.is_swept:
            self.tx.on_commit(entry.swept)
        for decision in result.decisions:
            if decision.outcome == "error":
                self._failed[event.seq] = event
        self._take(work, sensor, result)

    def _take(self, work: _Work, sensor: Sensor, result: Step) -> None:
        work.state = result.state
        if result.changed:
            work.changed |= result.changed
        if result.fires:
            self._fire_all(sensor, result)
        else:
            self.decisions += result.decisions
        for id in result.starts:
            self.outbox.start(self.tx, id, self.at)
        for replacement in result.ends:
            self.outbox.replace(self.tx, replacement, self.at)

    def _fire_all(self, sensor: Sensor, result: Step) -> None:
        repeated = {fire.id for fire in result.fires if not self._fire(sensor, fire)}
        self.decisions += _without_repeated(result.decisions, repeated)

    def _fire(self, sensor: Sensor, fire: Fire) -> bool:
        """False when these events have fired this trigger before."""
        if fire.status == "dead":
            dead = unprepared(self.outbox, sensor, fire, self.at)
            return self.outbox.bury(self.tx, dead, fire.reason, self.at)
        firing = prepare(self.outbox, sensor, fire, self.at)
        if isinstance(firing, Firing) and self._waits(fire, firing):
            return self._put_later(firing, fire)
        if isinstance(firing, Firing):
            done = self.outbox.put(self.tx, firing, fire, self.at)
            if isinstance(done, BiremeError):
                self._complain(sensor, fire, str(done))
            return done is not False
        error = str(firing)
        dead = unprepared(self.outbox, sensor, fire, self.at, error)
        if not self.outbox.bury(self.tx, dead, error, self.at):
            return False
        self._complain(sensor, fire, error)
        return True

    def _waits(self, fire: Fire, firing: Firing) -> bool:
        """True if nothing acts on the firing in this transaction, nor asks about its row."""
        if fire.rule.is_keyed or fire.status != "pending":
            return False
        return self.outbox.acts_inside(firing, fire.not_before, self.at) is None

    def _put_later(self, firing: Firing, fire: Fire) -> bool:
        if firing.id in self._later:
            return False
        self._later[firing.id] = (firing, fire.not_before)
        return True

    def _complain(self, sensor: Sensor, fire: Fire, error: str) -> None:
        rule, newest = fire.rule, max(event.seq for event in fire.events.values())
        path = f"spec.triggers[{rule.index}]"
        self.decisions.append(
            Decision(
                seq=newest, namespace=sensor.namespace, sensor=sensor.name, trigger=rule.name,
                dependency="", outcome="error", reason=error, path=path, line=sensor.line(path),
                detail="{}", firing=fire.id, at=self.at,
            )
        )  # fmt: skip

    def _broken(self, entry: Entry, seq: int, error: Exception, trigger: str = "") -> Decision:
        text = str(error) if isinstance(error, BiremeError) else f"{type(error).__name__}: {error}"
        return Decision(
            seq=seq, namespace=entry.namespace, sensor=entry.name, trigger=trigger, dependency="",
            outcome="error", reason=f"the sensor could not be evaluated: {text}", path="spec",
            line=0, detail=JSON.encode({"quarantined": True}).decode(), firing=None, at=self.at,
        )  # fmt: skip


def missed_by(tx: Transaction, entry: Entry, after: int, before: int = _FAR) -> list[Event]:
    """The next events with `after < seq < before` that the sensor listens to: as many as one transaction takes."""
    return store.missed(
        tx,
        (entry.namespace, entry.bus),
        entry.subscriptions,
        after=after,
        before=before,
        limit=_AT_ONCE,
    )


def put_off(tx: Transaction, cells: Sequence[tuple[str, Address]], now: float) -> None:
    """Cells that are still due after they were looked at are looked at again later."""
    cell_store.put_off(tx, cells, now, now + _PUT_OFF_S)


def _without_repeated(decisions: Sequence[Decision], known: Collection[str]) -> list[Decision]:
    """The decisions, those of firings that were there before told as such."""
    if not known:
        return [*decisions]
    return [_deduplicated(d) if d.firing in known else d for d in decisions]


def _deduplicated(decision: Decision) -> Decision:
    return Decision(
        seq=decision.seq, namespace=decision.namespace, sensor=decision.sensor,
        trigger=decision.trigger, dependency=decision.dependency, outcome="deduplicated",
        reason=REPEATED, path=decision.path,
        line=decision.line, detail=decision.detail, firing=decision.firing, at=decision.at,
    )  # fmt: skip
