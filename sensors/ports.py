"""What filters and triggers must do, and what this deck needs from others."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from bireme.storage.ports import Transaction
from events.model import Event
from events.ports import Place
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

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        """Those of the workflows that have not ended; unknown ones have."""
        ...

    def firings(self, tx: Transaction, uids: Sequence[str]) -> list[str]:
        """The firings that have made these workflows; those that nobody's firing has made are left out."""
        ...

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any], firing: str = ""
    ) -> dict[str, str]:
        """resubmit, retry, resume, suspend, stop or terminate the workflow; returns namespace, name and uid.

        What the same firing resubmits again is the same workflow.
        """
        ...

    async def of_cron(self, namespace: str, name: str) -> dict[str, Any]:
        """The workflow that `submit --from cronwf/NAME` makes. Raises NotFound."""
        ...

    async def labels(self, namespace: str, name: str) -> dict[str, str]:
        """The labels of a workflow as it is now, its phase among them. Raises NotFound."""
        ...


class Cluster(Protocol):
    """Objects of a Kubernetes cluster, as plain JSON values with apiVersion, kind, metadata.name and .namespace.

    Every method may raise TriggerRefused (the cluster does not accept the object, or us) and TriggerFailed (it did not
    answer, or asks to be asked again). Nothing is tried again here.
    """

    async def get(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        """The live object that `thing` names."""
        ...

    async def create(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Raises Conflict when there is one of that name."""
        ...

    async def replace(self, thing: dict[str, Any]) -> dict[str, Any]: ...

    async def patch(self, thing: dict[str, Any], strategy: str) -> dict[str, Any] | None:
        """`strategy` is the patch's media type; None when there is no such object."""
        ...

    async def delete(self, thing: dict[str, Any]) -> None:
        """An object that is not there is as good as deleted."""
        ...

    async def close(self) -> None: ...


class Trigger(Protocol):
    """One kind of trigger. Built once as `cls(surroundings)` and used for every firing of the kind.

    A class may have a `Config`, a `bireme.manifests.base.Spec` with the fields of the kind's block: then a manifest
    whose block does not fit is refused by path and line. Parameters may put anything there afterwards: `prepare` gets
    plain values.
    """

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


class ManifestSource(Protocol):
    """One kind of place that triggers read objects from. Built as `cls(surroundings)`."""

    async def read(self, block: dict[str, Any], place: Place) -> bytes:
        """The text at the place that `block` describes. Raises BadSensor, TriggerFailed or TriggerRefused.

        Errors name the source and never show what was read.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Completes(Protocol):
    """The extra ability of a trigger that must look outside before it can act: fetch a manifest, ask for an object."""

    def is_complete(self, firing: Firing) -> bool: ...

    async def complete(self, firing: Firing) -> Firing:
        """The firing with all it needs; done anew at every attempt, and never kept. Raises as `fire` does."""
        ...


@runtime_checkable
class FiresInside(Protocol):
    """The extra ability of a trigger whose act is rows in our own database: one commit with event and decision."""

    def fits_inside(self, firing: Firing) -> bool: ...

    def fire_inside(self, tx: Transaction, firing: Firing) -> Receipt: ...


@runtime_checkable
class Masks(Protocol):
    """Secrets that can be found again in what others say."""

    def mask(self, text: str) -> str:
        """The text without any value that was handed out."""
        ...
