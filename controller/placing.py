"""Writing a new run inside somebody's transaction: its name is free, or its firing has made it before."""

from datetime import datetime

from bireme.storage.ports import Transaction
from controller import store
from controller.births import Newborn, Nursery, Seed
from controller.model import Json
from controller.ports import WorkflowExists

NAMES_TRIED = 5


def place(
    tx: Transaction,
    nursery: Nursery,
    manifest: Json,
    now: datetime,
    firing: str = "",
    seed: Seed | None = None,
) -> Newborn | dict[str, str]:
    """The new run, whose rows are part of `tx`; or namespace, name and uid of the one the firing made before.

    Raises InvalidManifest, or WorkflowExists when the name is taken by a workflow of another origin.
    """
    for attempt in range(NAMES_TRIED):
        newborn = nursery.bear(manifest, now, firing=firing, attempt=attempt, seed=seed)
        if store.insert(tx, newborn.row):
            if newborn.entry is not None:
                store.append(tx, [newborn.entry], [])
            if newborn.rest is not None:
                store.rest(tx, [newborn.rest])
            return newborn
        found = store.by_firing(tx, firing) if firing else None
        if found is not None:
            return dict(zip(("namespace", "name", "uid"), found, strict=True))
        if (manifest.get("metadata") or {}).get("name"):
            break
    name = newborn.live.name
    raise WorkflowExists(f'workflows.argoproj.io "{name}" already exists')


def names(placed: Newborn | dict[str, str]) -> dict[str, str]:
    """Namespace, name and uid."""
    if not isinstance(placed, Newborn):
        return placed
    live = placed.live
    return {"namespace": live.namespace, "name": live.name, "uid": live.uid}
