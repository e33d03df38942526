"""The outbox: firings are acted on at least once, retried by their own policy, then dead until driven again."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog

from bireme.kit import ids
from bireme.kit.backoff import Rng
from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError, ServiceError
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database, Row, StorageError, StorageUnavailable, Transaction
from sensors import retry, store
from sensors.holding import EVERYTHING, Holding, Where
from sensors.model import Fire, Firing, Receipt, Replacement, Retry
from sensors.ports import Completes, FiresInside, Masks, Trigger
from sensors.registry import triggers
from sensors.surroundings import Surroundings

log = structlog.get_logger(__name__)

_AT_ONCE = 32
_LONGEST_WAIT_S = 60.0
_STORAGE_PAUSE_S = 1.0


class Outbox:
    """Works the `firings` rows that `holding` leaves to this process; `run` until cancelled.

    `freed` is called on the event loop with each firing that is over and may have held a slot.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        surroundings: Surroundings,
        rng: Rng,
        freed: Callable[[str], None],
        holding: Holding = EVERYTHING,
    ) -> None:
        self.database = database
        self.clock = clock
        self.surroundings = surroundings
        self.rng = rng
        self.holding = holding
        self._freed = freed
        self._triggers: dict[str, Trigger] = {}
        self._insiders: dict[str, FiresInside | None] = {}
        self._resting: frozenset[str] = frozenset()
        self._busy: dict[str, str] = {}
        self._woken = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """True while a firing is being acted on."""
        return bool(self._busy)

    @property
    def busy_sensors(self) -> frozenset[str]:
        """Whose firings are being acted on. May be asked from the writer's thread."""
        return frozenset(self._busy.copy().values())

    def wake(self) -> None:
        """Look at the rows again: something was put there. Call on the event loop."""
        self._woken.set()

    def rest(self, sensors: frozenset[str]) -> None:
        """Begin nothing new for these sensors (`namespace/name`): another process is about to act for them.

        Replaces what was said before. Call on the event loop.
        """
        if sensors != self._resting:
            self._resting = sensors
            self.wake()

    def trigger(self, kind: str) -> Trigger:
        """The one trigger of that kind. Raises UnknownKind."""
        if kind not in self._triggers:
            self._triggers[kind] = triggers[kind](self.surroundings)
        return self._triggers[kind]

    def acts_inside(self, firing: Firing, not_before: float, now: float) -> FiresInside | None:
        """The trigger that can act on the firing in the transaction at hand, if it can and may by now."""
        return self._insider(firing) if not_before <= now else None

    def _insider(self, firing: Firing) -> FiresInside | None:
        kind = firing.kind
        if (
            kind not in self._insiders
        ):  # asking what a trigger can do takes longer than acting on most
            trigger = self.trigger(kind)
            self._insiders[kind] = trigger if isinstance(trigger, FiresInside) else None
        insider = self._insiders[kind]
        return insider if insider is not None and insider.fits_inside(firing) else None

    def put_all(
        self, tx: Transaction, firings: Iterable[tuple[Firing, float]], now: float
    ) -> set[str]:
        """Put pending firings into the outbox, each with its moment, for later; the ids of those known before."""
        given = list(firings)
        known = store.put_firings(tx, given, now)
        tx.on_commit(self.wake)
        for kind in {firing.kind for firing, _ in given}:
            self.holding.told(tx, kind)
        return known

    def put(self, tx: Transaction, firing: Firing, wish: Fire, now: float) -> bool | BiremeError:
        """Put a firing into the outbox and, if it fits and is due, act on it inside this very transaction.

        False when these events have fired this trigger before; an error when it cannot be acted on.
        """
        not_before, status = wish.not_before, wish.status
        if not store.put_firing(tx, firing, not_before, now, status=status, reason=wish.reason):
            return False
        if status != "pending":
            return True
        trigger = self.acts_inside(firing, not_before, now)
        if trigger is not None:
            return self._inside(tx, trigger, firing, 0, now) or True
        self._stir(tx, firing.kind)
        return True

    def bury(self, tx: Transaction, firing: Firing, error: str, now: float) -> bool:
        """Put a firing that cannot be prepared on the dead-letter list; False when it is known already."""
        if not store.put_firing(tx, firing, 0.0, now):
            return False
        self._failed(tx, firing, error, attempts=0, again=False, now=now)
        return True

    def start(self, tx: Transaction, firing: str, now: float) -> None:
        """A queued or held firing may act now."""
        store.set_status(tx, firing, "pending", "", now)
        self._stir(tx)

    def replace(self, tx: Transaction, replacement: Replacement, now: float) -> None:
        """End what a firing has started, in favour of another; one that has not acted never will."""
        found = store.receipts(tx, [replacement.id]).get(replacement.id)
        if found is None:
            return
        status, receipt = found
        if status in ("pending", "queued", "held"):
            reason = f"replaced by firing {replacement.by}"
            store.set_status(tx, replacement.id, "replaced", reason, now)
        elif receipt is not None and self.surroundings.workflows.live(tx, [receipt.uid]):
            loaded = store.load_firing(tx, replacement.id)
            if loaded and store.put_firing(tx, _ending(loaded[0], receipt, replacement), now, now):
                self._stir(tx)

    async def run(self) -> None:
        """Act on what is due, until cancelled."""
        scope = TaskScope("outbox")
        try:
            while True:
                self._woken.clear()
                wait = await self._round(scope)
                await self._wait(wait)
        finally:
            await scope.close()

    async def close(self) -> None:
        """Let go of the triggers' clients."""
        for trigger in self._triggers.values():
            await trigger.close()

    async def _round(self, scope: TaskScope) -> float:
        """Start what is due and free; the seconds until it is worth looking again."""
        try:
            now = self._now()
            room = _AT_ONCE - len(self._busy)
            where = self._where()
            most = _AT_ONCE + len(self._busy)
            due = await store.due(self.database, now, most, where) if room else []
            for firing, attempts in due:
                if firing.id not in self._busy and len(self._busy) < _AT_ONCE:
                    self._busy[firing.id] = f"{firing.namespace}/{firing.sensor}"
                    scope.start(firing.id, self._work(firing, attempts))
            following = await store.next_due(self.database, now, where)
        except ServiceError as error:
            log.warning("outbox_waits_for_storage", error=str(error))
            return _STORAGE_PAUSE_S
        return _LONGEST_WAIT_S if following is None else following - now

    def _where(self) -> Where:
        """What is ours. Sensors at rest are left out by the query: their rows would take the place of others."""
        where, resting = self.holding.firings(), sorted(self._resting)
        if not resting:
            return where
        marks = ", ".join("?" * len(resting))
        return Where(
            f"{where.sql} AND namespace || '/' || sensor NOT IN ({marks})",
            (*where.params, *resting),
        )

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0.001), _LONGEST_WAIT_S)):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _work(self, firing: Firing, attempts: int) -> None:
        try:
            await self._attempt(firing, attempts)
        except Exception as error:  # noqa: BLE001 - the row stays pending: nothing is lost, others go on
            log.warning("firing_not_recorded", firing=firing.id, error=_text(error))
            await self.clock.sleep(_STORAGE_PAUSE_S)
        finally:
            self._busy.pop(firing.id, None)
            self.wake()

    async def _attempt(self, firing: Firing, attempts: int) -> None:
        try:
            trigger = self.trigger(firing.kind)
            ready = await _completed(trigger, firing)
        except Exception as error:  # noqa: BLE001 - a trigger that breaks must not stop the others
            failure = error
            await self._write(firing, lambda tx: self._note(tx, firing, attempts + 1, failure))
            return
        insider = self._insider(ready)
        if insider is not None:
            await self._write(
                firing, lambda tx: self._inside(tx, insider, ready, attempts, self._now())
            )
            return
        if firing.slot is not None and not await self._is_wanted(firing):
            return
        outcome = await self._act(trigger, ready)
        await self._write(firing, lambda tx: self._note(tx, firing, attempts + 1, outcome))

    async def _write(self, firing: Firing, work: Callable[[Transaction], object]) -> None:
        def held(tx: Transaction) -> None:
            self.holding.check(tx, [f"{firing.namespace}/{firing.sensor}"])
            work(tx)

        await self.database.write(held)

    def _stir(self, tx: Transaction, kind: str = "") -> None:
        """Once `tx` is durable, whoever acts on firings of that kind (of any, if it is not known) looks again."""
        tx.on_commit(self.wake)
        self.holding.told(tx, kind)

    async def _is_wanted(self, firing: Firing) -> bool:
        """False if another firing has taken its place in the meantime."""
        found = await store.firings(self.database, ids=[firing.id])
        return bool(found) and found[0]["status"] == "pending"

    async def _act(self, trigger: Trigger, firing: Firing) -> Receipt | Exception:
        try:
            return await trigger.fire(firing)
        except Exception as error:  # noqa: BLE001 - a trigger that breaks must not stop the others
            return error

    def _note(
        self, tx: Transaction, firing: Firing, attempts: int, outcome: Receipt | Exception
    ) -> None:
        now = self._now()
        if isinstance(outcome, Receipt):
            store.mark_fired(tx, firing.id, outcome, attempts, now)
            self.over(tx, firing)
            return
        again = isinstance(outcome, BiremeError) and outcome.retriable
        self._failed(tx, firing, _text(outcome), attempts=attempts, again=again, now=now)

    def _inside(
        self, tx: Transaction, trigger: FiresInside, firing: Firing, attempts: int, now: float
    ) -> BiremeError | None:
        """Act in a savepoint: what fails is undone and noted, and nothing else of the transaction is touched."""
        if firing.slot is not None and store.firing_status(tx, firing.id) != "pending":
            return None
        tx.execute("SAVEPOINT firing")
        inner = _Inner(tx)
        try:
            receipt = trigger.fire_inside(inner, firing)
        except (StorageError, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a bad manifest must not stop the event
            tx.execute("ROLLBACK TO SAVEPOINT firing")
            tx.execute("RELEASE SAVEPOINT firing")
            self._note(tx, firing, attempts + 1, error)
            return error if isinstance(error, BiremeError) else BiremeError(_text(error))
        tx.execute("RELEASE SAVEPOINT firing")
        inner.keep()
        store.mark_fired(tx, firing.id, receipt, attempts + 1, now)
        return None

    def _failed(
        self, tx: Transaction, firing: Firing, error: str, *, attempts: int, again: bool, now: float
    ) -> None:
        error = self._masked(error)
        if again and attempts < firing.retry.steps:
            at = now + retry.delay(firing.retry, attempts, self.rng)
            store.mark_failed(tx, firing.id, error, attempts, retry_at=at, now=now)
            self._stir(tx, firing.kind)
            return
        store.mark_failed(tx, firing.id, error, attempts, retry_at=None, now=now)
        tx.on_commit(lambda: _report(firing, error))
        if firing.on_dead is not None:
            self._follow(tx, firing.on_dead, now)
        self.over(tx, firing)

    def _masked(self, text: str) -> str:
        """A target may repeat in its answer what it was shown."""
        secrets = self.surroundings.secrets
        return secrets.mask(text) if isinstance(secrets, Masks) else text

    def _follow(self, tx: Transaction, after: Firing, now: float) -> None:
        """A firing is dead: its dlqTrigger's turn."""
        if after.spec is None:
            self.bury(tx, after, after.unready, now)
        elif store.put_firing(tx, after, now, now):
            self._stir(tx, after.kind)

    def over(self, tx: Transaction, firing: Firing) -> None:
        """The firing is done or dead: somebody may wait for its slot."""
        if firing.slot is not None:
            tx.on_commit(partial(self._freed, firing.id))

    def _now(self) -> float:
        return self.clock.now().timestamp()


def _ending(old: Firing, receipt: Receipt, replacement: Replacement) -> Firing:
    """The firing that terminates what `old` has made, and says by whom."""
    by = {"actor": f"firing {replacement.by} of sensor {old.namespace}/{old.sensor}"}
    return Firing(
        id=ids.digest(replacement.id, "replaced by", replacement.by),
        namespace=old.namespace,
        sensor=old.sensor,
        trigger=old.trigger,
        kind=old.kind,
        spec={
            "operation": "terminate",
            "namespace": receipt.namespace,
            "name": receipt.name,
            "options": {"by": by},
        },
        retry=Retry(),
    )


class _Inner:
    """The transaction as a trigger sees it: what it wants done on commit is done only if it succeeds."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._callbacks: list[Callable[[], None]] = []

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._tx.execute(sql, params)

    def executemany(
        self, sql: str, rows: Sequence[Sequence[Any]], shared: Sequence[Any] = ()
    ) -> None:
        self._tx.executemany(sql, rows, shared)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self._tx.query(sql, params)

    def on_commit(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def keep(self) -> None:
        for callback in self._callbacks:
            self._tx.on_commit(callback)


async def _completed(trigger: Trigger, firing: Firing) -> Firing:
    """The firing as the trigger can act on it. What is added is seen by the trigger only, never by a row."""
    if isinstance(trigger, Completes) and not trigger.is_complete(firing):
        return await trigger.complete(firing)
    return firing


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, BiremeError) else f"{type(error).__name__}: {error}"


def _report(firing: Firing, error: str) -> None:
    fields: dict[str, Any] = {
        "sensor": firing.sensor,
        "trigger": firing.trigger,
        "firing": firing.id,
    }
    log.warning("firing_dead", error=error, **fields)
