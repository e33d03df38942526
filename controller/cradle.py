"""Runs born in one process for the controller of another: rows in the firing's own transaction, begun over there."""

from collections.abc import Sequence

from bireme.kit.clock import Clock
from bireme.kit.ids import Ids
from bireme.storage.ports import Signals, Transaction
from controller import placing, store
from controller.births import Nursery
from controller.model import Json
from controller.templates import TemplateShelf

BORN = "runs"
"""The topic under which the controller is told that there are runs to take up."""


class Cradle:
    """Checks and writes runs. They have no history yet: the controller begins them when it takes them up."""

    def __init__(self, shelf: TemplateShelf, clock: Clock, ids: Ids, signals: Signals) -> None:
        self._nursery = Nursery(shelf, ids, waits=True)
        self._clock = clock
        self._signals = signals

    def submit(self, tx: Transaction, manifest: Json, firing: str) -> dict[str, str]:
        """As `Controller.submit`."""
        placed = placing.place(tx, self._nursery, manifest, self._clock.now(), firing)
        self._signals.tell(tx, BORN)
        return placing.names(placed)

    async def prepare(self, manifest: Json) -> None:
        """As `Controller.prepare`."""
        await self._nursery.prepare(manifest, self._clock.now())

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        """As `Controller.live`."""
        return store.live_of(tx, uids)
