"""A run's history as the events Argo would have written for it: one for each phase of the workflow and of its nodes."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from msgspec import UNSET

from controller.codec import Entry
from controller.dag.deadlines import STEP_LATE
from controller.dag.model import NodeChanged, Operation, RunChanged
from controller.dag.phase import BAD, Phase
from controller.model import Json, rfc3339

_RUN_WORDS = {"Running": "Workflow Running", "Succeeded": "Workflow completed"}


def of_history(steps: Iterable[tuple[int, float, Entry]]) -> Iterator[Json]:
    """Events in the order they happened: `time`, `type`, `reason`, `message`, and `node` where it is about one."""
    names: dict[str, str] = {}
    is_late = False
    for _, at, entry in steps:
        time = {"time": rfc3339(datetime.fromtimestamp(at, UTC))}
        for operation in entry.operations:
            yield {**time, **_asked(operation)}
        for change in entry.changes:
            if isinstance(change, NodeChanged):
                if change.name is not UNSET:
                    names[change.id] = change.name
                if change.phase is not UNSET:
                    message = "" if change.message is UNSET else change.message
                    is_late = is_late or message == STEP_LATE
                    yield {
                        **time,
                        **_of_node(names.get(change.id, change.id), change.phase, message),
                    }
            elif isinstance(change, RunChanged) and change.phase is not UNSET:
                yield {**time, **_of_run(change.phase, change.message or "", is_late)}


def _of_node(name: str, phase: Phase, message: str) -> Json:
    text = f"{phase} node {name}" + (f": {message}" if message else "")
    return {"type": _kind(phase), "reason": f"WorkflowNode{phase}", "message": text, "node": name}


def _of_run(phase: Phase, message: str, is_late: bool) -> Json:
    reason = "WorkflowTimedOut" if is_late and phase in BAD else f"Workflow{phase}"
    text = message or _RUN_WORDS.get(phase, f"Workflow {phase}")
    return {"type": _kind(phase), "reason": reason, "message": text}


def _asked(operation: Operation) -> Json:
    """What a person did. Argo writes no event for it; the history knows."""
    by = f" by {', '.join(operation.by.values())}" if operation.by else ""
    text = f"{operation.kind} was asked for{by}"
    return {"type": "Normal", "reason": f"Workflow{operation.kind.title()}", "message": text}


def _kind(phase: Phase) -> str:
    return "Warning" if phase in BAD else "Normal"
