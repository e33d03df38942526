"""One workflow in this process: a database and step directories that are gone afterwards, the same engine as ever."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bireme.kit.clock import SystemClock
from bireme.kit.ids import RandomIds
from bireme.kit.supervise import TaskScope
from bireme.sandbox.run import Sandbox
from bireme.storage.open import open_database
from controller import submission
from controller.listing import ListQuery
from controller.run import Controller
from controller.templates import TemplateShelf
from server import parts
from server.objects.check import Checked
from server.secrets import KeptSecrets
from server.settings import Settings

Json = dict[str, Any]
_SCRATCH = "/var/tmp" if os.path.isdir("/var/tmp") else None
"""Not /tmp: a step may declare /tmp itself as an output, which must not hold our own files."""

FINAL = ("Succeeded", "Failed", "Error")
LAST_LINES = 20
_LAST_LINES_S = 10.0
"""How long the end waits for lines not printed yet: only a step that outlives its workflow takes so long."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the workflow ended, and the last lines that each failed step printed, by step."""

    workflow: Json
    last_words: dict[str, list[str]]


@dataclass(slots=True)
class OneRun:
    """What to run, with which objects beside it, and who is told of each change."""

    settings: Settings
    support: Sequence[Checked]
    changed: Callable[[Json], None]
    printed: Callable[[str, bytes], None] | None = None

    async def run(self, manifest: Json, options: submission.SubmitOptions) -> Ended:
        """Run the workflow to its end. The first Ctrl-C terminates its steps, the second ends this process.

        Raises InvalidManifest with every problem before anything runs.
        """
        async with AsyncExitStack() as stack:
            controller = await self._controller(stack)
            scope = TaskScope("run")
            stack.push_async_callback(scope.close)
            made = (await controller.create(manifest, options))["metadata"]
            key = made["namespace"], made["name"]
            _listen_to_signals(controller, key, scope)
            scope.start("controller", controller.run())
            printing = scope.start("logs", self._print(controller, key)) if self.printed else None
            found = await self._follow(controller, key)
            last_words = await _last_words(controller, found)
            if printing:  # it ends by itself once every step's last line has been printed
                await asyncio.wait((printing,), timeout=_LAST_LINES_S)
            await scope.close()
            return Ended(found, last_words)

    async def _controller(self, stack: AsyncExitStack) -> Controller:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="bireme-run-", dir=_SCRATCH))
        )
        settings = self.settings.with_(data_dir=folder)
        secrets = parts.secrets_of(settings)
        clock = SystemClock()
        database = await open_database(folder / "bireme.db")
        stack.push_async_callback(database.close)
        scripts = Sandbox()
        stack.callback(scripts.close)
        executor = parts.executor_of(settings, clock, secrets, database, scripts)
        stack.push_async_callback(executor.close)
        shelf = TemplateShelf()
        for one in self.support:
            _keep(one, shelf, secrets)
        return Controller(database, executor, clock, RandomIds(), shelf=shelf)

    async def _follow(self, controller: Controller, key: tuple[str, str]) -> Json:
        query = ListQuery(namespace=key[0], name=key[1])
        async with aclosing(controller.watch(query)) as changes:
            async for change in changes:
                self.changed(change.object)
                if change.object["status"].get("phase") in FINAL:
                    break
        return await controller.get(*key)

    async def _print(self, controller: Controller, key: tuple[str, str]) -> None:
        assert self.printed is not None
        async for chunk in controller.logs(*key, follow=True):
            self.printed(chunk.node_name, chunk.data)


def _keep(one: Checked, shelf: TemplateShelf, secrets: KeptSecrets) -> None:
    if one.kind in ("WorkflowTemplate", "ClusterWorkflowTemplate", "ConfigMap"):
        shelf.apply(one.manifest)
    if one.kind in ("Secret", "ConfigMap"):
        secrets.keep(one.kind, one.namespace, one.name, one.manifest)


def _listen_to_signals(controller: Controller, key: tuple[str, str], scope: TaskScope) -> None:
    loop = asyncio.get_running_loop()

    def heard() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        scope.start("terminate", controller.operate(*key, "terminate"))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard)


async def _last_words(controller: Controller, found: Json) -> dict[str, list[str]]:
    """What failed steps printed last: the first thing anyone wants to know."""
    words: dict[str, list[str]] = {}
    for node in (found["status"].get("nodes") or {}).values():
        if node.get("type") != "Pod" or node.get("phase") not in ("Failed", "Error"):
            continue
        metadata = found["metadata"]
        output = b""
        async for chunk in controller.logs(
            metadata["namespace"], metadata["name"], node=node["id"]
        ):
            output = (output + chunk.data)[-65536:]
        lines = output.decode("utf-8", "replace").splitlines()
        words[node["name"]] = lines[-LAST_LINES:]
    return words
