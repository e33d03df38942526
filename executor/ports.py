"""What a backend and an artifact store must do."""

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from bireme.kit.errors import BiremeError, ServiceError, UserError
from executor.model import Report, Task

Artifact = dict[str, Any]
"""Argo's artifact object as plain JSON values (`name`, `path`, `archive`, one location such as `raw` or `s3`)."""


class ExecutorError(BiremeError):
    """Base of what goes wrong in this deck."""


class ArtifactMissing(ExecutorError):
    """The artifact is not where its location says."""


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


class ObjectExists(ExecutorError, UserError):
    """An object of this kind and name is there already."""


class ObjectMissing(ExecutorError, UserError):
    """The cluster has no such object."""


class ClusterRefused(ExecutorError, UserError):
    """The cluster does not accept the object, or us; the message is the cluster's."""


class ClusterUnavailable(ExecutorError, ServiceError):
    """The cluster did not answer, or asks to be asked again."""


class Cluster(Protocol):
    """Objects of a Kubernetes cluster, as plain JSON values with apiVersion, kind, metadata.name and .namespace.

    Every method may raise ClusterRefused and ClusterUnavailable; implementations do not retry.
    """

    async def get(self, thing: dict[str, Any]) -> dict[str, Any]:
        """The live object that `thing` names. Raises ObjectMissing."""
        ...

    async def create(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Raises ObjectExists."""
        ...

    async def apply(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Make it, or make it look like this."""
        ...

    async def replace(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Raises ObjectMissing."""
        ...

    async def patch(self, thing: dict[str, Any], strategy: str) -> dict[str, Any]:
        """Change what `thing` says and no more; `strategy` is `strategic` or `merge`. Raises ObjectMissing."""
        ...

    async def delete(self, thing: dict[str, Any]) -> None:
        """An object that is not there is as good as deleted."""
        ...

    async def close(self) -> None: ...


class ArtifactStore(Protocol):
    """One kind of artifact location. Implementations do not retry; the caller does."""

    async def load(self, artifact: Artifact, path: Path) -> None: ...
    async def save(self, path: Path, artifact: Artifact) -> None: ...
    async def delete(self, artifact: Artifact) -> None: ...
    def open_stream(self, artifact: Artifact) -> AsyncIterator[bytes]: ...


@runtime_checkable
class DiscardsArtifacts(Protocol):
    """A backend that reaches the stores its steps save to."""

    async def discard(self, artifacts: Collection[Artifact]) -> list[str]:
        """Delete the artifacts; what is gone already is fine. In words, what could not be deleted."""
        ...


@runtime_checkable
class ReadsArtifacts(Protocol):
    """A backend that lets people read what its steps have saved."""

    async def files(self, artifact: Artifact) -> list[str]:
        """The files of a directory, sorted; `[""]` when the artifact is one file. Raises ArtifactMissing."""
        ...

    def read(self, artifact: Artifact, below: str) -> AsyncIterator[bytes]:
        """The bytes of one of `files`."""
        ...


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
