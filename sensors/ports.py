"""What filters and triggers must do, and what this deck needs from others."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from bireme.storage.ports import Transaction
from events.model import Event
from sensors.model import Firing, Origin, Receipt, Verdict
from sensors.view import View


class Filter(Protocol):
    """One kind of filter of one dependency. Built as `cls(config, operator)`; pure.

    `config` is the kind's own value in the manifest, `operator` the `and` or `or` that combines its entries. The
    constructor raises BadSensor for what can never be evaluated.
    """

    def __init__(self, config: Any, operator: str) -> None: ...

    def verdict(self, view: View) -> Verdict: ...


class Workflows(Protocol):
    """The other bank, as far as a trigger needs it."""

    def submit(self, tx: Transaction, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        """Create the workflow in the caller's transaction; the same firing again is the same workflow.

        Returns `namespace`, `name` and `uid`. Raises a UserError for a manifest that cannot run.
        """
        ...

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any]
    ) -> dict[str, str]:
        """resubmit, retry, resume, suspend, stop or terminate the workflow; returns namespace, name and uid."""
        ...


class Trigger(Protocol):
    """One kind of trigger. Built once as `cls(surroundings)` and used for every firing of the kind."""

    def prepare(
        self, definition: dict[str, Any], events: Mapping[str, Event], origin: Origin
    ) -> dict[str, Any]:
        """All that acting needs, parameters resolved; pure. Raises BadSensor or CannotResolve.

        `definition` is the trigger as the manifest has it (`template`, `policy`, …), its own parameters applied.
        """
        ...

    async def fire(self, firing: Firing) -> Receipt:
        """Act. Idempotent by `firing.id`. Raises TriggerFailed or TriggerRefused."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class FiresInside(Protocol):
    """The extra ability of a trigger whose act is rows in our own database: one commit with event and decision."""

    def fits_inside(self, firing: Firing) -> bool: ...

    def fire_inside(self, tx: Transaction, firing: Firing) -> Receipt: ...
