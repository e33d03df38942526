"""Forgetting what is over: firings by age and number, decisions when their event has left the log.

What somebody may still ask for stays: firings that are pending, held, queued or dead, that hold a slot or whose
workflow runs, and the decisions of every firing that is kept; the decisions of events that wait in a join, a gathering
or a condition, or that failed.
"""

from collections.abc import Sequence
from functools import partial

import msgspec
import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.storage.ports import Database, Row
from sensors import retention
from sensors.ports import Workflows

log = structlog.get_logger(__name__)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is over is kept: `age_s` seconds and at most `count` firings.

    A firing that is one too many stays for `dedup_s` all the same: as long as its events may be delivered again, it is
    what keeps them from firing twice.
    """

    age_s: float = 7 * 86400.0
    count: int = 1_000_000
    dedup_s: float = 86400.0
    every_s: float = 600.0


class Sweeper:
    """Looks every `every_s`; reads beside the writer, and removes in slices between which others write."""

    def __init__(
        self, database: Database, clock: Clock, workflows: Workflows, policy: Policy
    ) -> None:
        self._database = database
        self._clock = clock
        self._workflows = workflows
        self._policy = policy

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.sweep()
            except ServiceError as error:
                log.warning("sweep_waits_for_storage", error=str(error))
            await self._clock.sleep(self._policy.every_s)

    async def sweep(self) -> tuple[int, int]:
        """Forget what may be forgotten now; how many firings and decisions that were."""
        database, old = self._database, self._clock.now().timestamp() - self._policy.age_s
        over, oldest = await self._over_before(), await retention.oldest_event(database)
        if not await retention.firings_before(database, over) and not (
            await retention.decisions_before(database, oldest, old)
        ):
            return 0, 0
        held = await retention.held(database, oldest)
        return await self._firings(held, over), await self._decisions(held, oldest, old)

    async def _firings(self, held: retention.Held, before: float) -> int:
        after, gone = retention.FIRST_FIRING, 0
        while found := await retention.firings_before(self._database, before, after):
            after = (found[-1][0], found[-1][1])
            gone += await self._database.write(
                partial(
                    retention.forget_firings,
                    found=found,
                    workflows=self._workflows,
                    kept=held.firings,
                )
            )
        return gone

    async def _over_before(self) -> float:
        now, policy = self._clock.now().timestamp(), self._policy
        surplus = await retention.surplus_before(self._database, policy.count)
        return max(now - policy.age_s, min(surplus, now - policy.dedup_s))

    async def _decisions(self, held: retention.Held, oldest: int, old: float) -> int:
        after, gone = retention.FIRST_DECISION, 0
        while found := await retention.decisions_before(self._database, oldest, old, after):
            after = (int(found[-1][0]), int(found[-1][1]))
            ids = _free(found, held)
            if ids:
                gone += await self._database.write(partial(retention.forget_decisions, ids=ids))
        return gone


def _free(found: Sequence[Row], held: retention.Held) -> list[int]:
    return [id for seq, id, sensor in found if (sensor, seq) not in held.events]
