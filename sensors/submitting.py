"""Workflows that a firing makes, and waiting for what its policy wants of them."""

from collections.abc import Mapping
from typing import Any

from sensors import policy
from sensors.errors import TriggerRefused
from sensors.model import Firing, Receipt
from sensors.surroundings import Surroundings

Json = dict[str, Any]


def receipt(made: Mapping[str, str], note: str = "") -> Receipt:
    """What says which workflow it was."""
    return Receipt(
        kind="Workflow",
        namespace=made["namespace"],
        name=made["name"],
        uid=made.get("uid", ""),
        note=note,
    )


async def submit(around: Surroundings, firing: Firing) -> Receipt:
    """Make `spec.manifest` in a commit of its own, then wait as `spec.policy` says; again, it is the same workflow."""
    spec = firing.spec or {}
    database, workflows = around.database, around.workflows
    if database is None:
        raise TriggerRefused("policy.k8s needs the engine's database")
    made = await database.write(lambda tx: workflows.submit(tx, spec["manifest"], firing.id))

    async def labels() -> Mapping[str, str]:
        return await workflows.labels(made["namespace"], made["name"])

    return receipt(made, await policy.wait(spec.get("policy"), labels, around.clock, firing.id))
