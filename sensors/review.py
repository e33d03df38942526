"""What people decide afterwards: held firings let go or discarded, dead firings and failed events driven again."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from bireme.kit.clock import Clock
from bireme.kit.errors import Conflict, NotFound
from bireme.storage.ports import Database, Transaction
from sensors import quarantine, store
from sensors.ahead import Ahead, Concerned
from sensors.cell_store import StoredCells
from sensors.cells import Ticket
from sensors.entry import Entry
from sensors.errors import BadSensor
from sensors.evaluate import admit
from sensors.intake import Intake
from sensors.model import Decision, Firing, FiringStatus, Outcome, SensorState
from sensors.outbox import Outbox


class Review:
    """Each act is one transaction with the decision that says so. Raises NotFound, or Conflict when it is too late."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        entries: Mapping[str, Entry],
        programs: Ahead,
        wake: Callable[[], None],
    ) -> None:
        self.database = database
        self.clock = clock
        self.outbox = outbox
        self._entries = entries
        self._programs = programs
        self._wake = wake

    async def release(self, firing: str, by: str = "") -> str:
        """Let a held firing act, as soon as the trigger's concurrency allows; its status."""
        return await self.database.write(partial(self._release, id=firing, by=by))

    async def revive(self, firing: str, prepare: Callable[[Firing], Firing]) -> None:
        """Make a dead firing due again, as soon as the trigger's concurrency allows; `prepare` makes what it lacks."""
        await self.database.write(partial(self._revive, id=firing, prepare=prepare))

    async def discard(self, firing: str, by: str = "") -> None:
        """A held or dead firing never acts; a failed event is not tried again."""
        await self.database.write(partial(self._discard, id=firing, by=by))

    async def redrive(self, failed: str) -> list[Decision]:
        """Evaluate a failed event anew, with the sensor as it is now; what is decided. It stays if it fails again."""
        async with self._programs.asked(await self._concerned(failed)):
            return await self.database.write(partial(self._redrive, id=failed))

    async def _concerned(self, failed: str) -> Concerned:
        found = await self.database.write(lambda tx: quarantine.load(tx, failed))
        entry = self._entries.get(f"{found.namespace}/{found.sensor}") if found else None
        return ((found.event, (entry,)),) if found and entry else ()

    def _release(self, tx: Transaction, id: str, by: str) -> str:
        firing, now = self._held(tx, id), self.clock.now()
        status, why = self._admitted(tx, firing, "held", now)
        if status == "queued":
            store.set_status(tx, id, "queued", why, now.timestamp())
        else:
            self.outbox.start(tx, id, now.timestamp())
        self._tell(tx, firing, f"released{_by(by)}", status, why)
        return status

    def _revive(self, tx: Transaction, id: str, prepare: Callable[[Firing], Firing]) -> None:
        firing, now = prepare(self._held(tx, id, "dead")), self.clock.now()
        status, why = self._admitted(tx, firing, "dead", now)
        store.reopen(tx, firing, status, now.timestamp())
        self._tell(tx, firing, "driven again", status, why)
        tx.on_commit(self.outbox.wake)
        self.outbox.holding.told(tx, firing.kind)

    def _admitted(
        self, tx: Transaction, firing: Firing, stays: str, now: datetime
    ) -> tuple[FiringStatus, str]:
        """Pending or queued, as its trigger's concurrency allows, and what is to say. Raises Conflict for a drop."""
        self.outbox.holding.check(tx, [f"{firing.namespace}/{firing.sensor}"])
        entry = self._entries.get(f"{firing.namespace}/{firing.sensor}")
        if entry is None or firing.slot is None:
            return "pending", ""
        cells = StoredCells(tx, entry.key, self.outbox.surroundings.workflows)
        ticket = Ticket(firing.id, *self._event_of(tx, firing.id), now.timestamp())
        state = SensorState(cells=cells)
        made, status, why = admit(entry.sensor, state, firing.trigger, firing.slot, ticket, now)
        if status == "discarded":
            raise Conflict(f"firing {firing.id} stays {stays}: {why}")
        cells.write()
        store.record(tx, made.decisions)
        for replacement in made.ends:
            self.outbox.replace(tx, replacement, now.timestamp())
        tx.on_commit(self._wake)
        self.outbox.holding.told(tx)
        return status, why

    def _tell(
        self, tx: Transaction, firing: Firing, what: str, status: FiringStatus, why: str
    ) -> None:
        is_queued = status == "queued"
        reason = f"{what}; {why}" if is_queued else f"{what}{why}"
        self._note(tx, firing, "queued" if is_queued else "fired", reason)

    def _discard(self, tx: Transaction, id: str, by: str) -> None:
        if quarantine.remove(tx, id):
            return
        firing = self._held(tx, id, "held", "dead")
        store.set_status(tx, id, "discarded", f"discarded{_by(by)}", self.clock.now().timestamp())
        self._note(tx, firing, "dropped", f"discarded{_by(by)}")
        self.outbox.over(tx, firing)

    def _redrive(self, tx: Transaction, id: str) -> list[Decision]:
        found = quarantine.load(tx, id)
        if found is None:
            raise NotFound(f"there is no failed event {id}")
        entry = self._entries.get(f"{found.namespace}/{found.sensor}")
        if entry is None:
            raise BadSensor(f"sensor {found.namespace}/{found.sensor} is not applied")
        self.outbox.holding.check(tx, [entry.key])
        intake = Intake(tx, self.outbox, self.clock.now(), self._programs)
        decisions = intake.again(entry, found.event, found.dependency, found.trigger)
        if all(d.outcome != "error" or quarantine.id_of(d) != id for d in decisions):
            quarantine.remove(tx, id)
        intake.finish(self._wake)
        self.outbox.holding.told(tx)
        return decisions

    def _held(self, tx: Transaction, id: str, *wanted: str) -> Firing:
        found = store.load_firing(tx, id)
        if found is None:
            raise NotFound(f"there is no firing {id}")
        firing, status = found
        allowed = wanted or ("held",)
        if status not in allowed:
            raise Conflict(f"firing {id} is {status}; it would have to be {' or '.join(allowed)}")
        return firing

    def _event_of(self, tx: Transaction, id: str) -> tuple[int, str]:
        """An event of the firing, and its dependency."""
        rows = tx.query(
            "SELECT seq, dependency FROM decisions WHERE firing = ? ORDER BY id LIMIT 1", (id,)
        )
        return (int(rows[0][0]), rows[0][1]) if rows else (0, "")

    def _note(self, tx: Transaction, firing: Firing, outcome: Outcome, reason: str) -> None:
        seq, dependency = self._event_of(tx, firing.id)
        decision = Decision(
            seq=seq, namespace=firing.namespace, sensor=firing.sensor, trigger=firing.trigger,
            dependency=dependency, outcome=outcome, reason=reason, path="", line=0, detail="{}",
            firing=firing.id, at=self.clock.now().timestamp(),
        )  # fmt: skip
        store.record(tx, [decision])


def _by(who: str) -> str:
    return f" by {who}" if who else ""
