"""Which sensors a process acts for: all of them, or those it holds in a fleet."""

from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

from bireme.storage.ports import Signals, Transaction
from sensors.errors import NotHeld, Outdated

WITH_THE_ENGINE = ("argoWorkflow", "k8s", "workflowEventBinding")
"""Kinds of triggers whose firings need the controller or its cluster once they are not rows of a workflow's birth."""

FIRINGS = "firings"
"""The topic under which processes tell each other to look at firings and timers again."""


class Where(NamedTuple):
    """A condition to add to a query; empty for none."""

    sql: str = ""
    params: tuple[Any, ...] = ()


ANY = Where()


class Holding(Protocol):
    """`name` is who decided, as decisions show it. `check` runs inside the transaction that is about to decide."""

    @property
    def name(self) -> str: ...

    @property
    def is_alone(self) -> bool:
        """Events are evaluated in the commit that accepts them, by nobody else."""
        ...

    def firings(self) -> Where:
        """The firings to act on."""
        ...

    def cells(self) -> Where:
        """The timers to look at."""
        ...

    def check(self, tx: Transaction, sensors: Collection[str]) -> None:
        """Nobody else decides for these sensors (`namespace/name`) until `tx` has ended. Raises NotHeld."""
        ...

    def current(self, tx: Transaction) -> None:
        """The manifests we go by are those that are applied as `tx` sees it. Raises Outdated."""
        ...

    def told(self, tx: Transaction, kind: str = "") -> None:
        """A firing (of that kind of trigger) or a timer has changed: whoever it concerns looks again."""
        ...


class Everything:
    """One process for all sensors."""

    name = ""
    is_alone = True

    def firings(self) -> Where:
        return ANY

    def cells(self) -> Where:
        return ANY

    def check(self, tx: Transaction, sensors: Collection[str]) -> None:
        return

    def current(self, tx: Transaction) -> None:
        return

    def told(self, tx: Transaction, kind: str = "") -> None:
        return


EVERYTHING = Everything()


class OfTheEngine:
    """The engine of a fleet: workers hold the sensors. It acts on firings that need its controller, and on those of
    sensors that are gone."""

    name = "engine"
    is_alone = False

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    def firings(self) -> Where:
        marks = ", ".join("?" * len(WITH_THE_ENGINE))
        return Where(
            f" AND (kind IN ({marks}) OR NOT EXISTS (SELECT 1 FROM sensor_leases AS lease "
            "WHERE lease.sensor = firings.namespace || '/' || firings.sensor))",
            WITH_THE_ENGINE,
        )

    def cells(self) -> Where:
        return Where(" AND 1 = 0")

    def check(self, tx: Transaction, sensors: Collection[str]) -> None:
        tx.query(
            "SELECT 1 FROM sensor_leases WHERE sensor = ANY(?) ORDER BY sensor FOR UPDATE",
            (sorted(sensors),),
        )

    def current(self, tx: Transaction) -> None:
        return

    def told(self, tx: Transaction, kind: str = "") -> None:
        self._signals.tell(tx, FIRINGS)


class OfAWorker:
    """One of many workers. `epochs` are the leases it believes in, `version` counts the changes of objects it knows of:
    both are replaced as a whole by the loop, and read by the writer thread."""

    is_alone = False

    def __init__(self, name: str, signals: Signals) -> None:
        self.name = name
        self.epochs: dict[str, int] = {}
        self.version = -1
        self._signals = signals

    def firings(self) -> Where:
        marks = ", ".join("?" * len(WITH_THE_ENGINE))
        return Where(
            f" AND kind NOT IN ({marks}) AND namespace || '/' || sensor IN "
            "(SELECT lease.sensor FROM sensor_leases AS lease WHERE lease.worker = ?)",
            (*WITH_THE_ENGINE, self.name),
        )

    def cells(self) -> Where:
        return Where(
            " AND sensor IN (SELECT lease.sensor FROM sensor_leases AS lease WHERE lease.worker = ?)",
            (self.name,),
        )

    def check(self, tx: Transaction, sensors: Collection[str]) -> None:
        if not sensors:
            return
        rows = tx.query(
            "SELECT sensor, epoch FROM sensor_leases WHERE worker = ? AND sensor = ANY(?) "
            "ORDER BY sensor FOR UPDATE",
            (self.name, sorted(sensors)),
        )
        held: dict[str, int] = {sensor: int(epoch) for sensor, epoch in rows}
        epochs = self.epochs
        if lost := [name for name in sensors if held.get(name, 0) != epochs.get(name, -1)]:
            raise NotHeld(self.name, lost)

    def current(self, tx: Transaction) -> None:
        now = int(tx.query("SELECT value FROM fleet WHERE name = 'objects'")[0][0])
        if now != self.version:
            raise Outdated(f"worker {self.name} has to read the manifests that were applied since")

    def told(self, tx: Transaction, kind: str = "") -> None:
        if not kind or kind in WITH_THE_ENGINE:
            self._signals.tell(tx, FIRINGS)
