"""Resubmission: a new workflow made like an old one, and if asked, with what had succeeded there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from controller import store, submission
from controller.births import Seed
from controller.dag import reuse
from controller.model import Json, RunRow
from controller.reading import Reading


class Births(Protocol):
    """Where new workflows come from."""

    async def create(
        self, manifest: Json, *, firing: str = "", seed: Seed | None = None
    ) -> Json: ...


async def resubmit(
    births: Births,
    reading: Reading,
    row: RunRow,
    now: datetime,
    *,
    parameters: Sequence[str] = (),
    memoized: bool = False,
    firing: str = "",
) -> Json:
    """The new workflow. `memoized` keeps what succeeded; raises OperationRefused when that cannot be done."""
    made = submission.resubmitted(store.definition_of(row).manifest, parameters)
    seed = await _seed(reading, row, parameters, now) if memoized else None
    return await births.create(made, firing=firing, seed=seed)


async def _seed(reading: Reading, row: RunRow, parameters: Sequence[str], now: datetime) -> Seed:
    old = (await reading.revive(row)).run
    reuse.keep_what_succeeded(old, now, submission.pairs(parameters))
    return lambda run: reuse.plant(run, old, now)
