"""Answers what steps wait for: locks from the table, memoized outputs from the cache.

What is held is in the histories; the table here is made from them when runs come back (`restore`). While many come
back at once nothing is decided, so that it does not matter who asks first.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from bireme.kit.supervise import TaskScope
from bireme.storage.ports import Database, Transaction
from controller import memo
from controller.births import LiveRun
from controller.dag import lock_status
from controller.dag import model as dag
from controller.locks import Claim, Limit, LockTable

log = structlog.get_logger(__name__)

RETRY_S = 1.0
Feed = Callable[[str, dag.Input], bool]


class Gatekeeper:
    """One per controller. `perform` takes the effects that are questions; answers go back through `feed`."""

    def __init__(
        self, database: Database, clock: Clock, tasks: TaskScope, feed: Feed, limit: Limit
    ) -> None:
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._feed = feed
        self.table = LockTable(limit)
        self._asked = False
        self._pausing = False

    def perform(self, live: LiveRun, effect: dag.Effect) -> None:
        """Take a question, or news that a lock is free; anything else is not for us."""
        if type(effect) is dag.Acquire:
            self.table.ask(_claim(live, effect.holder), effect.locks)
        elif type(effect) is dag.Release:
            self.table.release(live.uid, effect.holder)
        elif type(effect) is dag.Recall:
            self._tasks.start("recall", self._recall(live, effect))
        self._decide_soon()

    def restore(self, runs: Iterable[LiveRun]) -> None:
        """After a restart: what the runs hold by their histories is theirs."""
        for live in runs:
            for holder, hold in lock_status.holders(live.run):
                if hold.held:
                    self.table.restore(_claim(live, holder), hold.locks)

    def pause(self) -> None:
        """Decide nothing until `go_on`."""
        self._pausing = True

    def go_on(self) -> None:
        self._pausing = False
        self._decide_soon()

    def look_again(self) -> None:
        """Limits may have changed."""
        self.table.look_again()
        self._decide_soon()

    def forget(self, uid: str) -> None:
        """The run is over or gone."""
        self.table.forget(uid)
        self._decide_soon()

    def _decide_soon(self) -> None:
        """All that is asked in one turn of the loop is decided together, by order and not by who came first."""
        if not self._asked and not self._pausing:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._decide)

    def _decide(self) -> None:
        self._asked = False
        if self._pausing:
            return
        for answer in self.table.answers():
            told = dag.Locked(
                holder=answer.claim.holder, waiting=answer.waiting, message=answer.message, error=answer.error
            )  # fmt: skip
            self._feed(answer.claim.run, told)

    async def _recall(self, live: LiveRun, effect: dag.Recall) -> None:
        now = self._clock.now()
        kept = await self._look_up(live, effect.memo, now)
        answer = dag.Recalled(node=effect.node, hit=False)
        if kept is not None:
            answer = dag.Recalled(
                node=effect.node, hit=True, outputs=kept.outputs, exit_code=kept.exit_code
            )
        self._feed(live.uid, answer)

    async def _look_up(self, live: LiveRun, wanted: dag.Memo, now: datetime) -> memo.Kept | None:
        """As often as it takes: while the database is away nothing else goes on either."""
        while True:
            try:
                return await self._database.write(
                    lambda tx: memo.recall(tx, live.namespace, wanted, now)
                )
            except ServiceError as error:
                log.warning("memo_not_read", workflow=live.name, error=str(error))
                await self._clock.sleep(RETRY_S)


def _claim(live: LiveRun, holder: str) -> Claim:
    priority = int(live.run.spec.get("priority") or 0)
    return Claim(live.uid, holder, priority, created=live.created_at)


def memorize(tx: Transaction, live: LiveRun, effects: Iterable[dag.Effect], clock: Clock) -> None:
    """Keep what the effects of a step say is worth keeping, in the step's own transaction."""
    for effect in effects:
        if type(effect) is dag.Memorize:
            memo.save(tx, (live.namespace, live.name), effect, clock.now())
