"""Which backend a task goes to: what the engine does itself (`http`, …) to its own agent, all else to the main one."""

from collections.abc import AsyncIterator, Collection
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from executor.model import Report, Task
from executor.ports import (
    Artifact,
    ArtifactMissing,
    DiscardsArtifacts,
    Executor,
    Overlooks,
    ReadsArtifacts,
)
from executor.registry import backends
from executor.surroundings import Surroundings

OWN = ("http", "data", "plugin", "resource")
"""Template types that have a backend of the same name in the engine's own process."""


class Router:
    """An Executor made of several, which share one queue of reports. Those of the agent are made on first use."""

    def __init__(self, main: Executor, surroundings: Surroundings) -> None:
        self._main = main
        self._surroundings = surroundings
        self._own: dict[str, Executor] = {}

    async def start(self, task: Task) -> None:
        await self._backend(task).start(task)

    async def stop(self, task_id: str, grace: timedelta) -> None:
        for backend in self._all():
            await backend.stop(task_id, grace)

    def overlooked(self, spec: dict[str, Any]) -> Collection[str]:
        return self._main.overlooked(spec) if isinstance(self._main, Overlooks) else ()

    def reports(self) -> AsyncIterator[Report]:
        return self._surroundings.reports.stream()

    async def adopt(self, tasks: Collection[Task]) -> None:
        shares: dict[int, tuple[Executor, list[Task]]] = {}
        for task in tasks:
            backend = self._backend(task)
            shares.setdefault(id(backend), (backend, []))[1].append(task)
        for backend, share in shares.values():
            await backend.adopt(share)

    async def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        for backend in self._all():
            chunks: Any = backend.logs(task_id, follow)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    async def forget(self, task_ids: Collection[str]) -> None:
        await self._main.forget(task_ids)
        await self._made(OWN[0]).forget(task_ids)

    async def discard(self, artifacts: Collection[Artifact]) -> list[str]:
        if not isinstance(self._main, DiscardsArtifacts):
            return []
        return await self._main.discard(artifacts)

    async def files(self, artifact: Artifact) -> list[str]:
        return await self._reader().files(artifact)

    def read(self, artifact: Artifact, below: str) -> AsyncIterator[bytes]:
        return self._reader().read(artifact, below)

    def _reader(self) -> ReadsArtifacts:
        if not isinstance(self._main, ReadsArtifacts):
            raise ArtifactMissing(
                "this engine's backend keeps no artifacts that could be read here"
            )
        return self._main

    async def close(self) -> None:
        for backend in self._all():
            await backend.close()

    def _all(self) -> list[Executor]:
        return [self._main, *self._own.values()]

    def _backend(self, task: Task) -> Executor:
        kind = next((kind for kind in OWN if task.template.get(kind) is not None), "")
        return self._made(kind) if kind else self._main

    def _made(self, kind: str) -> Executor:
        if kind not in self._own:
            self._own[kind] = backends[kind](self._surroundings)
        return self._own[kind]
