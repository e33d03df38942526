"""What a backend and an artifact store must do."""

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from bireme.kit.errors import BiremeError, ServiceError
from executor.model import Report, Task

Artifact = dict[str, Any]
"""Argo's artifact object as plain JSON values (`name`, `path`, `archive`, one location such as `raw` or `s3`)."""


class ExecutorError(BiremeError):
    """Base of what goes wrong in this deck."""


class ArtifactMissing(ExecutorError):
    """The artifact is not where its location says."""


class ArtifactUnavailable(ExecutorError, ServiceError):
    """The store did not answer."""


class Executor(Protocol):
    """A place where steps run: processes, containers or pods."""

    async def start(self, task: Task) -> None:
        """Start the step. Idempotent by `task.id`: a task that runs or has ended is not run again."""
        ...

    async def stop(self, task_id: str, grace: timedelta) -> None:
        """SIGTERM, then SIGKILL after `grace`. Nothing happens for a task that is not running."""
        ...

    def reports(self) -> AsyncIterator[Report]:
        """What becomes of the tasks, until cancelled."""
        ...

    async def adopt(self, tasks: Collection[Task]) -> None:
        """After a restart: report what became of each. One that never started is started now; none is run twice."""
        ...

    def logs(self, task_id: str, follow: bool) -> AsyncIterator[bytes]:
        """The step's output in chunks, standard output and error as they came; with `follow` until the step ends."""
        ...

    async def forget(self, task_ids: Collection[str]) -> None:
        """The run is deleted: remove what is kept for these tasks."""
        ...

    async def close(self) -> None:
        """Let go of the steps without stopping them: they outlive us."""
        ...


@runtime_checkable
class Overlooks(Protocol):
    """A backend that cannot honour every field of a workflow, and says which."""

    def overlooked(self, spec: dict[str, Any]) -> Collection[str]:
        """The paths below the spec of the fields that are set and have no effect here."""
        ...


class ArtifactStore(Protocol):
    """One kind of artifact location. Implementations do not retry; the caller does."""

    async def load(self, artifact: Artifact, path: Path) -> None: ...
    async def save(self, path: Path, artifact: Artifact) -> None: ...
    async def delete(self, artifact: Artifact) -> None: ...
    def open_stream(self, artifact: Artifact) -> AsyncIterator[bytes]: ...


@runtime_checkable
class ListsArtifacts(Protocol):
    """A store that can say what it holds."""

    async def list(self, artifact: Artifact) -> "list[str]":
        """The keys of all files whose key begins with that of the artifact, sorted."""
        ...


class Secrets(Protocol):
    """Secret and config-map values by reference. Raises NotFound naming the reference, never the value."""

    def secret(self, namespace: str, name: str, key: str) -> bytes: ...
    def config(self, namespace: str, name: str, key: str) -> str: ...
    def keys(self, kind: str, namespace: str, name: str) -> list[str]:
        """All keys of a `secret` or a `configMap`."""
        ...
