"""The archive: every finished workflow, also those that the list has lost to a `ttlStrategy` or a history limit.

Nothing is copied when a workflow ends: its row moves here when it leaves the list, and its history stays where it is.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError
from bireme.storage.ports import Database, Transaction
from controller import archive_rows, selectors, store
from controller.births import Seed
from controller.listing import ListQuery
from controller.model import Json, RunRow, labels_of
from controller.ports import BadOption, WorkflowExists, WorkflowNotFound
from controller.reading import Page, Reading, is_wanted
from controller.resubmit import resubmit
from controller.store import RunReader

log = structlog.get_logger(__name__)

SWEEP_S = 3600.0


class Workflows(Protocol):
    """What of the controller the archive needs."""

    async def operate(
        self, namespace: str, name: str, operation: str, options: dict[str, Any] | None = None
    ) -> dict[str, str]: ...
    async def create(
        self, manifest: Json, *, firing: str = "", seed: Seed | None = None
    ) -> Json: ...
    async def forget(self, uid: str) -> None: ...


class Archive:
    """Questions to the archive, and what can be done with what lies in it. Workflows are named by uid."""

    def __init__(
        self,
        workflows: Workflows,
        database: Database,
        clock: Clock,
        reader: RunReader,
        reading: Reading,
        *,
        keep_s: float,
    ) -> None:
        self._workflows = workflows
        self._database = database
        self._clock = clock
        self._reader = reader
        self._reading = reading
        self.keep_s = keep_s

    def put(self, uid: str) -> Callable[[Transaction], None]:
        """What takes a finished run out of the list: it is kept here, or forgotten where nothing is kept."""
        if self.keep_s <= 0:
            return lambda tx: store.delete(tx, uid)
        now = self._clock.now().timestamp()
        return lambda tx: archive_rows.move(tx, uid, now)

    async def search(self, query: ListQuery) -> Page:
        """A page of finished workflows without their nodes, the newest first."""
        headings = await self._reader.headings(query, archive_rows.FINISHED)
        wanted = [row for row in headings if is_wanted(row, query)]
        end = query.offset + query.limit if query.limit else len(wanted)
        page = wanted[query.offset : end]
        rows = await self._reader.rows([row[0] for row in page], archive_rows.FINISHED)
        remaining = max(len(wanted) - end, 0)
        items = [self._reading.short(row) for row in rows]
        return Page(items, str(end) if remaining else "", remaining)

    async def get(self, uid: str, namespace: str = "", name: str = "") -> Json:
        """The whole workflow by uid, or the newest of a name. Raises WorkflowNotFound."""
        return await self._reading.whole(await self._row(uid, namespace, name))

    async def _row(self, uid: str, namespace: str = "", name: str = "") -> RunRow:
        if uid:
            found = await self._reader.finished_by_uid(uid)
        else:
            found = await self._reader.finished_by_name(namespace, name)
        if found is None:
            raise WorkflowNotFound(f'archived workflow "{uid or name}" not found')
        return found

    async def delete(self, uid: str) -> None:
        """Forget it for good. Raises WorkflowNotFound."""
        row = await self._row(uid)
        if await self._reader.by_uid(row.uid) is not None:
            await self._workflows.forget(row.uid)
        else:
            await self._database.write(lambda tx: archive_rows.delete(tx, [row.uid]))

    async def operate(self, uid: str, operation: str, options: Mapping[str, Any]) -> Json:
        """`retry` brings it back to the list under its own name, `resubmit` makes a new one like it."""
        if operation not in ("retry", "resubmit"):
            raise BadOption(f"'{operation}' is nothing to do with an archived workflow")
        row = await self._row(uid)
        if operation == "resubmit":
            return await resubmit(
                self._workflows,
                self._reading,
                row,
                self._clock.now(),
                parameters=options.get("parameters") or (),
                memoized=options.get("memoized") is True,
            )
        if await self._reader.by_uid(uid) is None:
            await self._bring_back(row)
        try:
            done = await self._workflows.operate(row.namespace, row.name, "retry", dict(options))
        except BiremeError:
            await self._put_back(row)
            raise
        return await self._reading.get(done["namespace"], done["name"])

    async def _bring_back(self, row: RunRow) -> None:
        if not await self._database.write(lambda tx: archive_rows.restore(tx, row.uid)):
            raise WorkflowExists(f'workflows.argoproj.io "{row.name}" already exists')

    async def _put_back(self, row: RunRow) -> None:
        """What did not come to life again belongs into the archive."""
        now = self._clock.now().timestamp()
        await self._database.write(lambda tx: archive_rows.move(tx, row.uid, now))

    async def label_keys(self) -> list[str]:
        """Every label that a finished workflow has."""
        return sorted({key for labels in await self._labels() for key in labels})

    async def label_values(self, selector: str) -> list[str]:
        """The values of the one label that a selector such as `app` names. Raises BadOption."""
        if not selector or not selectors.is_key(selector):
            raise BadOption(
                f"listOptions.labelSelector: expected one label key, found '{selector}'"
            )
        return sorted({labels[selector] for labels in await self._labels() if selector in labels})

    async def _labels(self) -> list[dict[str, str]]:
        rows = await self._reader.headings(ListQuery(), archive_rows.FINISHED)
        return [labels_of(store.labels_in(labels), phase) for _, _, _, phase, labels, *_ in rows]

    async def run(self) -> None:
        """Forget what is older than it has to be kept, until cancelled."""
        while True:
            try:
                await self.sweep(self._clock.now())
            except BiremeError as error:
                log.warning("archive_not_swept", error=str(error))
            await self._clock.sleep(SWEEP_S)

    async def sweep(self, now: datetime) -> int:
        """How many were forgotten."""
        before = now.timestamp() - self.keep_s
        old = await self._reader.archived_before(before)
        for start in range(0, len(old), 100):
            part = old[start : start + 100]
            await self._database.write(partial(archive_rows.delete, uids=part))
        return len(old)
