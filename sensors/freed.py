"""What may have freed a slot: firings that are over, runs that have ended. A push, no more: the rows decide.

What is lost with the process is found when the timers of the slots ring.
"""

from collections import deque

from bireme.storage.ports import Transaction
from sensors import cell_store, store
from sensors.cells import Address
from sensors.ports import Workflows

_AT_ONCE = 200


class Freed:
    """Told on the event loop, asked by the writer thread."""

    def __init__(self, workflows: Workflows) -> None:
        self._workflows = workflows
        self._firings: deque[str] = deque()
        self._runs: deque[str] = deque()

    def __bool__(self) -> bool:
        """True if somebody has to look."""
        return bool(self._firings or self._runs)

    def firing(self, id: str) -> None:
        """The firing has acted, died or been discarded."""
        self._firings.append(id)

    def run(self, uid: str) -> None:
        """The run has ended."""
        self._runs.append(uid)

    def take(self, tx: Transaction) -> list[tuple[str, Address]]:
        """The slots to look at, with their sensors: those that exist, of at most 200 firings and as many runs."""
        firings = _some(self._firings)
        if runs := _some(self._runs):
            firings += self._workflows.firings(tx, runs)
        places = (_place(tx, firing) for firing in firings)
        return [place for place in places if place is not None and cell_store.exists(tx, *place)]


def _some(told: deque[str]) -> list[str]:
    return [told.popleft() for _ in range(min(len(told), _AT_ONCE))]


def _place(tx: Transaction, id: str) -> tuple[str, Address] | None:
    """Where the firing holds its slot, None when it holds none."""
    found = store.load_firing(tx, id)
    if found is None or found[0].slot is None:
        return None
    firing = found[0]
    address = Address(firing.trigger, "slots", firing.slot or "")
    return f"{firing.namespace}/{firing.sensor}", address
