"""What can be asked about workflows: one, a page of them, a watch, a run as it was. Never changes anything."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from bireme.storage.ports import Row
from controller import codec, listing, selectors, store, views
from controller.births import LiveRun, Nursery, born_at
from controller.dag.fold import index
from controller.dag.status import head, of_nodes, status, summary
from controller.estimates import Estimates
from controller.model import Change, Json, RunRow, SleeperRow, labels_of
from controller.ports import WorkflowNotFound
from controller.sleepers import read_header
from controller.steps import Steps
from controller.store import RunReader
from controller.watchers import Watchers

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `continue_` is what to ask for next, "" at the end; `remaining` is how many follow."""

    items: list[Json]
    continue_: str = ""
    remaining: int = 0


class Reading:
    """Answers from memory for live runs, from rows for finished ones (their nodes are the fold of their history)."""

    def __init__(
        self,
        reader: RunReader,
        steps: Steps,
        nursery: Nursery,
        watchers: Watchers,
        estimates: Estimates,
    ) -> None:
        self._reader = reader
        self._steps = steps
        self._nursery = nursery
        self._watchers = watchers
        self._estimates = estimates

    async def row(self, namespace: str, name: str) -> RunRow:
        """The run's row. Raises WorkflowNotFound."""
        found = await self._reader.by_name(namespace, name)
        if found is None:
            raise WorkflowNotFound(f'workflows.argoproj.io "{name}" not found')
        return found

    async def get(self, namespace: str, name: str) -> Json:
        """The whole Workflow with its nodes, from the archive where the list has lost it. `@latest` is the newest.

        Raises WorkflowNotFound.
        """
        try:
            row = await self.row(namespace, name)
        except WorkflowNotFound:
            archived = await self._reader.finished_by_name(namespace, name)
            if archived is None:
                raise
            row = archived
        return await self.whole(row)

    async def describe(self, uid: str) -> Json | None:
        """The whole Workflow by uid; None when it is gone."""
        live = self._steps.live.get(uid)
        if live is not None:
            return await _patiently(live)
        row = await self._reader.by_uid(uid)
        return None if row is None else await self.whole(row)

    async def whole(self, row: RunRow) -> Json:
        """A row as the Workflow it stands for, with its nodes."""
        await self._steps.sleepers.settled([row.uid])
        live = self._steps.live.get(row.uid)
        if live is not None:
            return await _patiently(live)
        try:
            revived = await self.revive(row)
            revived.estimate = self._estimate(row) if row.live else None
            found = await _patiently(revived)
        except Exception as error:  # noqa: BLE001  boundary: a spoilt history hides nodes, not the workflow
            log.error("history_not_readable", workflow=row.name, error=str(error))
            return _row_workflow(row)
        if (live := self._steps.live.get(row.uid)) is not None:
            return await _patiently(live)
        if row.uid in self._steps.sleepers or revived.run.phase == row.phase:
            return found
        # The engine failed on this run, or has not begun it: the row knows better.
        told = msgspec.json.decode(row.status)
        return {**_row_workflow(row), "status": {**found["status"], **told}}

    async def revive(self, row: RunRow, *, upto: int | None = None) -> LiveRun:
        """The run as its history makes it: all of it, or the first `upto` steps."""
        live = self._nursery.revive(store.definition_of(row), row.uid, born_at(row))
        entries = (await self._reader.history(row.uid))[:upto]
        if sum(map(len, entries)) <= _BYTES_AT_ONCE:
            _bring_back(live, entries)
        else:
            await asyncio.to_thread(_bring_back, live, entries)  # nobody else knows this run yet
        return live

    async def list(self, query: listing.ListQuery) -> Page:
        """Workflows without their nodes, unfinished first, then the newest first."""
        wanted = [row for row in await self._reader.headings(query) if is_wanted(row, query)]
        end = query.offset + query.limit if query.limit else len(wanted)
        page = wanted[query.offset : end]
        uids = [row[0] for row in page]
        await self._steps.sleepers.settled(uids)
        rows = await self._reader.rows(uids)
        remaining = max(len(wanted) - end, 0)
        return Page([self.short(row) for row in rows], str(end) if remaining else "", remaining)

    def short(self, row: RunRow) -> Json:
        """A row as a Workflow without its nodes."""
        live = self._steps.live.get(row.uid)
        if live is not None:
            return _live(live, summary(live.run))
        sleeper = self._steps.sleepers.get(row.uid)
        if sleeper is None or sleeper.row is None:
            return _row_workflow(row)
        return _sleeping(row, sleeper.row, self._estimate(row))

    def _estimate(self, row: RunRow) -> int | None:
        return self._estimates.of(row.namespace, row.labels)

    async def watch(
        self, query: listing.ListQuery, *, initial: bool = True
    ) -> AsyncGenerator[Change, None]:
        """What happens to the workflows asked for, until the caller stops; first each that is there, as ADDED."""
        accepts = selectors.labels(query.label_selector)

        def wants(namespace: str, name: str) -> bool:
            return query.wants_namespace(namespace) and query.wants_name(name)

        with self._watchers.follow(wants) as follower:
            if initial:
                for item in (await self.list(query)).items:
                    found = await self.describe(item["metadata"]["uid"])
                    if found is not None:
                        yield Change("ADDED", found)
            while True:
                change = await follower.next(self.describe)
                if accepts(change.object["metadata"]["labels"]):
                    yield change

    async def history(self, namespace: str, name: str) -> Sequence[tuple[int, float, codec.Entry]]:
        """(n, at, entry) of every step of a run: what explains how it came to be as it is."""
        row = await self.row(namespace, name)
        steps = await self._reader.steps(row.uid)
        return [(n, at, codec.decode_entry(entry)) for n, at, entry in steps]


_POSTPONED = "Workflow processing has been postponed because too many workflows are already running"


_AT_ONCE, _BYTES_AT_ONCE = 500, 1 << 17
"""Nodes, and bytes of history, that are dealt with in one turn of the event loop (some 20 ms)."""


def _bring_back(live: LiveRun, entries: Sequence[bytes]) -> None:
    live.n = codec.replay(live.run, entries)
    index(live.run)


async def _patiently(live: LiveRun) -> Json:
    """The whole Workflow; others get their turn between the nodes of a large one, which may be newer than its head."""
    nodes, run = list(live.run.nodes.values()), live.run
    if len(nodes) <= _AT_ONCE:
        return live_workflow(live)
    found, told = head(run), {}
    for start in range(0, len(nodes), _AT_ONCE):
        await asyncio.sleep(0)
        told.update(of_nodes(run, nodes[start : start + _AT_ONCE]))
    return _live(live, {**found, "nodes": told})


def live_workflow(live: LiveRun) -> Json:
    """The whole Workflow of a run in memory."""
    return _live(live, status(live.run))


def _live(live: LiveRun, state: Json) -> Json:
    run = live.run
    if not run.phase:
        state = {**state, "phase": "Pending", "message": _POSTPONED}
    if live.estimate is not None:
        state = {**state, "estimatedDuration": live.estimate}
    found = views.workflow(
        live.definition,
        uid=live.uid,
        created_at=live.created_at,
        phase=run.phase or "Pending",
        status=state,
        version=live.n,
        given={"labels": run.labels, "annotations": run.annotations},
    )
    return views.with_switches(found, suspended=run.suspended, shutdown=run.shutdown)


def _sleeping(row: RunRow, kept: SleeperRow, estimate: int | None) -> Json:
    """The Workflow of a run that sleeps, as it would be told were it in memory."""
    header = read_header(kept)
    status = header.status if estimate is None else {**header.status, "estimatedDuration": estimate}
    found = views.workflow(
        store.definition_of(row),
        uid=row.uid,
        created_at=born_at(row),
        phase=header.status["phase"],
        status=status,
        version=kept.n,
        given={"labels": header.labels, "annotations": header.annotations},
    )
    return views.with_switches(found, suspended=header.suspended, shutdown=header.shutdown)


def _row_workflow(row: RunRow) -> Json:
    return views.workflow(
        store.definition_of(row),
        uid=row.uid,
        created_at=born_at(row),
        phase=row.phase,
        status=msgspec.json.decode(row.status),
        given={"labels": row.labels},
    )


def is_wanted(row: Row, query: listing.ListQuery) -> bool:
    """Whether a heading is asked for, by what the database does not look at."""
    _, namespace, name, phase, labels, *_ = row
    if not (query.wants_namespace(namespace) and query.wants_name(name)):
        return False
    if query.phases and phase not in query.phases:
        return False
    if not query.label_selector:
        return True
    return selectors.labels(query.label_selector)(labels_of(store.labels_in(labels), phase))


def names(found: Any) -> dict[str, str]:
    """Namespace, name and uid: how a workflow is referred to."""
    metadata = found["metadata"]
    return {key: metadata[key] for key in ("namespace", "name", "uid")}
