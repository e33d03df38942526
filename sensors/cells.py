"""What a sensor keeps by key: half joins, gathered events, slots in use, budgets. Each cell is a row with its timer."""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from events.model import Event

Kind = Literal["join", "coalesce", "slots", "breaker"]


class Address(NamedTuple):
    """Where a cell is kept, within its sensor."""

    trigger: str
    kind: Kind
    key: str


class Waiting(msgspec.Struct, frozen=True):
    """An event that passed for a dependency, as its triggers see it, and when it did."""

    dependency: str
    event: Event
    at: float


class JoinCell(msgspec.Struct, frozen=True, omit_defaults=True, tag="join"):
    """A key's half join. `fired` is the firing that closed the key for the rest of its window."""

    due_at: float
    opened_at: float
    digest: str
    definitions: dict[str, str]
    waiting: tuple[Waiting, ...] = ()
    fired: str = ""


class GatherCell(msgspec.Struct, frozen=True, omit_defaults=True, tag="coalesce"):
    """What has been gathered for one firing."""

    due_at: float
    opened_at: float
    definitions: dict[str, str]
    waiting: tuple[Waiting, ...] = ()


class Ticket(msgspec.Struct, frozen=True):
    """A firing that holds a slot or waits for one, and an event that made it."""

    firing: str
    seq: int
    dependency: str
    at: float


class SlotCell(msgspec.Struct, frozen=True, omit_defaults=True, tag="slots"):
    """Who holds a slot of a key, oldest first, and who waits for one."""

    due_at: float
    running: tuple[Ticket, ...] = ()
    queue: tuple[Ticket, ...] = ()


class BudgetCell(msgspec.Struct, frozen=True, omit_defaults=True, tag="breaker"):
    """How many firings the current span has seen, and since when."""

    due_at: float
    since: float
    count: int


Cell = JoinCell | GatherCell | SlotCell | BudgetCell


class Cells(Protocol):
    """The cells of one sensor, and the two facts about firings that a decision may depend on."""

    def get(self, address: Address) -> Cell | None: ...

    def replaced(self, changes: Mapping[Address, Cell | None]) -> "Cells":
        """The cells with these changes; None takes one away."""
        ...

    def has_fired(self, firing: str) -> bool:
        """True if there is such a firing already, whatever became of it."""
        ...

    def ended(self, firings: Collection[str]) -> frozenset[str]:
        """Those of the firings that are over: done and, if they made a workflow, that has ended too."""
        ...


class MemoryCells:
    """Cells in memory, for trials and tests. `firings` are the known ones, `over` those that have ended."""

    def __init__(
        self,
        cells: Mapping[Address, Cell] | None = None,
        firings: Collection[str] = frozenset(),
        over: Collection[str] = frozenset(),
    ) -> None:
        self.cells = cells or {}
        self.firings = firings
        self.over = over

    def get(self, address: Address) -> Cell | None:
        return self.cells.get(address)

    def replaced(self, changes: Mapping[Address, Cell | None]) -> "MemoryCells":
        merged = {**self.cells, **changes}
        kept = {address: cell for address, cell in merged.items() if cell is not None}
        return MemoryCells(kept, self.firings, self.over)

    def has_fired(self, firing: str) -> bool:
        return firing in self.firings

    def ended(self, firings: Collection[str]) -> frozenset[str]:
        return frozenset(firing for firing in firings if firing in self.over)


NO_CELLS: Cells = MemoryCells()
