"""The sensors' port to workflows: the controller, and the schedules it runs by."""

from collections.abc import Sequence
from typing import Any

from bireme.storage.ports import Transaction
from controller import store
from controller.cron import CronBank
from controller.run import Controller

Json = dict[str, Any]


class WorkflowsPort:
    """`sensors.ports.Workflows`."""

    def __init__(self, controller: Controller, crons: CronBank) -> None:
        self._controller, self._crons = controller, crons

    def submit(self, tx: Transaction, manifest: Json, firing: str) -> dict[str, str]:
        return self._controller.submit(tx, manifest, firing)

    def live(self, tx: Transaction, uids: Sequence[str]) -> set[str]:
        return self._controller.live(tx, uids)

    def firings(self, tx: Transaction, uids: Sequence[str]) -> list[str]:
        return store.firings_of(tx, uids)

    async def operate(
        self, namespace: str, name: str, operation: str, options: Json, firing: str = ""
    ) -> dict[str, str]:
        return await self._controller.operate(namespace, name, operation, options, firing)

    async def labels(self, namespace: str, name: str) -> dict[str, str]:
        found = await self._controller.get(namespace, name)
        return dict(found["metadata"].get("labels") or {})

    async def of_cron(self, namespace: str, name: str) -> Json:
        return self._crons.by_hand(namespace, name)
