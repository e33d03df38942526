"""What people do to a workflow that exists: pause it, go on, end it, answer it, run it again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from bireme.kit.clock import Clock
from bireme.storage.ports import Database, Transaction
from controller import codec, stopping, store, submission
from controller.births import LiveRun, Seed
from controller.dag import model as dag
from controller.dag.phase import Phase
from controller.dag.retry_run import retry
from controller.model import HistoryRow, Json, PhaseRow, RunRow
from controller.ports import BadOption, WrongState
from controller.reading import Reading, names
from controller.resubmit import resubmit
from controller.steps import Steps
from executor.ports import Executor

Names = dict[str, str]
Operate = Callable[[RunRow, "OperationOptions"], Awaitable[Names]]


class OperationOptions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Argo's bodies of the operations, all in one: each operation reads its own."""

    node_field_selector: str = ""
    message: str = ""
    phase: Phase = ""
    output_parameters: str | dict[str, str] = ""
    parameters: list[str] = []
    restart_successful: bool = False
    memoized: bool = False
    by: dict[str, str] = {}
    firing: str = ""


class Workflows(Protocol):
    """What of the controller an operation may need."""

    async def create(
        self, manifest: Json, *, firing: str = "", seed: Seed | None = None
    ) -> Json: ...
    async def delete(self, namespace: str, name: str) -> None: ...


class Operations:
    """Each returns once what it did is durable."""

    def __init__(
        self,
        workflows: Workflows,
        database: Database,
        executor: Executor,
        clock: Clock,
        steps: Steps,
        reading: Reading,
    ) -> None:
        self._workflows = workflows
        self._database = database
        self._executor = executor
        self._clock = clock
        self._steps = steps
        self._reading = reading
        self._others: dict[str, Operate] = {
            "retry": self._retry,
            "resubmit": self._resubmit,
            "delete": self._delete,
        }

    async def operate(
        self,
        namespace: str,
        name: str,
        operation: str,
        options: Mapping[str, Any],
        firing: str = "",
    ) -> Names:
        """Names of the workflow concerned: the new one for `resubmit`, else the one operated on."""
        if operation not in _REFUSED and operation not in self._others:
            known = ", ".join([*_REFUSED, *self._others])
            raise BadOption(f"unknown operation '{operation}'; known: {known}")
        try:
            read = msgspec.convert({**options, "firing": firing}, OperationOptions)
        except msgspec.ValidationError as error:
            raise BadOption(f"options of {operation}: {error}") from error
        row = await self._reading.row(namespace, name)
        if operation in self._others:
            return await self._others[operation](row, read)
        return await self._wish(row, read, operation)

    async def _wish(self, row: RunRow, options: OperationOptions, operation: str) -> Names:
        if not self._steps.is_alive(row.uid):
            raise WrongState(_REFUSED[operation].format(name=row.name, namespace=row.namespace))
        wish = dag.Operation(
            kind=operation,  # type: ignore[arg-type]
            selector=options.node_field_selector,
            message=options.message,
            phase=options.phase,
            outputs=_outputs(options.output_parameters),
            by=options.by,
        )
        await self._steps.operate(row.uid, wish)
        return _names(row)

    async def _retry(self, row: RunRow, options: OperationOptions) -> Names:
        """The finished run goes on in place: same name, same uid, its history one step longer."""
        if row.live:
            raise WrongState(f"workflow {row.name} must be Failed/Error to retry")
        live = await self._reading.revive(row)
        now = self._clock.now()
        done = retry(
            live.run,
            now,
            options.restart_successful,
            options.node_field_selector,
            submission.pairs(options.parameters),
        )
        await self._forget_removed(live, done.changes)
        entry = HistoryRow(live.uid, live.n, now.timestamp(), codec.encode_entry(done.changes))
        live.n += 1
        row_now = codec.phase_row(live)

        def write(tx: Transaction) -> None:
            stopping.forget(tx, live.uid)
            store.append(tx, [entry], [row_now])
            tx.on_commit(lambda: self._again(live, done.effects, row_now))

        await self._database.write(write)
        return _names(row)

    async def _forget_removed(self, live: LiveRun, changes: list[dag.Change]) -> None:
        """The same nodes will run again under the same names: their first time must not answer for the second.

        Before the commit: dying in between costs the logs of failed steps, the other order would cost the retry.
        """
        removed = [
            i for change in changes if isinstance(change, dag.NodesRemoved) for i in change.ids
        ]
        if removed:
            await self._executor.forget([f"{live.uid}/{node}" for node in removed])

    def _again(self, live: LiveRun, effects: list[dag.Effect], row: PhaseRow) -> None:
        self._steps.welcome(live, effects, None if row.live else row)

    async def _resubmit(self, row: RunRow, options: OperationOptions) -> Names:
        return names(
            await resubmit(
                self._workflows,
                self._reading,
                row,
                self._clock.now(),
                parameters=options.parameters,
                memoized=options.memoized,
                firing=options.firing,
            )
        )

    async def _delete(self, row: RunRow, options: OperationOptions) -> Names:
        await self._workflows.delete(row.namespace, row.name)
        return _names(row)


_SHUTDOWN = 'cannot shutdown a completed workflow: workflow: "{name}", namespace: "{namespace}"'
_REFUSED = {
    "suspend": "cannot suspend completed workflows",
    "resume": "cannot resume a completed workflow: {name}",
    "set": "cannot set outputs of a completed workflow: {name}",
    "stop": _SHUTDOWN,
    "terminate": _SHUTDOWN,
}


def _outputs(given: str | dict[str, str]) -> dict[str, str]:
    if isinstance(given, dict) or not given:
        return given or {}
    try:
        return msgspec.json.decode(given, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise BadOption(f"outputParameters: expected a JSON object of texts: {error}") from error


def _names(row: RunRow) -> Names:
    return {"namespace": row.namespace, "name": row.name, "uid": row.uid}
