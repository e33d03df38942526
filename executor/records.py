"""What is written down about steps that leave no trace elsewhere: that they were begun, and how they ended."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import msgspec

from bireme.storage.ports import Database, Transaction
from executor.model import Report


@dataclass(frozen=True, slots=True)
class Record:
    """`again`: an earlier engine began the step. `report` is its end, when it had one."""

    again: bool
    report: Report | None


class Records:
    """The rows of `agent_tasks`. Writes are durable on return, many of them in one commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, task_id: str, at: datetime) -> Record:
        """Write down that the step begins, unless it is known; what is known. Raises StorageUnavailable."""

        def work(tx: Transaction) -> Record:
            known = tx.query("SELECT report FROM agent_tasks WHERE task = ?", (task_id,))
            if not known:
                tx.execute(
                    "INSERT INTO agent_tasks (task, begun_at) VALUES (?, ?)",
                    (task_id, at.timestamp()),
                )
            return Record(bool(known), _decoded(known[0][0]) if known else None)

        return await self._database.write(work)

    async def end(self, report: Report) -> None:
        """Write down how the step ended. Raises StorageUnavailable."""
        row = (msgspec.msgpack.encode(report), report.task)
        await self._database.write(
            lambda tx: tx.execute("UPDATE agent_tasks SET report = ? WHERE task = ?", row)
        )

    async def forget(self, task_ids: Collection[str]) -> None:
        """The run is deleted."""
        rows = [(task_id,) for task_id in task_ids]
        await self._database.write(
            lambda tx: tx.executemany("DELETE FROM agent_tasks WHERE task = ?", rows)
        )


def _decoded(written: bytes | None) -> Report | None:
    return msgspec.msgpack.decode(written, type=Report) if written else None
