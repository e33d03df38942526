"""Deleting artifacts whose time has come. What cannot be deleted is told in the log and stops nothing."""

from collections.abc import Collection

import structlog

from controller import artifact_gc
from controller.model import Definition, Json
from executor.ports import DiscardsArtifacts, Executor

log = structlog.get_logger(__name__)

AT_THE_END = (artifact_gc.COMPLETION,)
WITH_THE_WORKFLOW = (artifact_gc.COMPLETION, artifact_gc.DELETION)
"""When a workflow is deleted also what should have gone at its end: the engine may have been killed in between."""


def is_wanted(definition: Definition) -> bool:
    """Whether any artifact of the workflow is ever to be deleted: asked first, because describing one is dear."""
    return artifact_gc.is_wanted(definition.spec, definition.templates.values())


async def discard(executor: Executor, spec: Json, found: Json, strategies: Collection[str]) -> None:
    """Delete what is due of the workflow `found`, as Argo shows it; `spec` is the whole of it."""
    nodes = ((found.get("status") or {}).get("nodes") or {}).values()
    due = artifact_gc.due(spec, nodes, strategies)
    if due and isinstance(executor, DiscardsArtifacts):
        for problem in await executor.discard(due):
            log.warning("artifact_not_deleted", workflow=found["metadata"]["name"], error=problem)
