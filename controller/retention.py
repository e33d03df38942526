"""When a finished workflow may be forgotten. Pure; the sweep that asks is in run.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

COMPLETED = "workflows.argoproj.io/completed"
ARCHIVING = "workflows.argoproj.io/workflow-archiving-status"

_SECONDS = {"Succeeded": "secondsAfterSuccess", "Failed": "secondsAfterFailure"}


@dataclass(frozen=True, slots=True)
class Policy:
    """How many finished workflows of each phase are kept, newest first. None keeps all."""

    completed: int | None = None
    failed: int | None = None
    errored: int | None = None

    def of(self, phase: str) -> int | None:
        return {"Succeeded": self.completed, "Failed": self.failed, "Error": self.errored}[phase]


def strategy(spec: Mapping[str, Any], stored: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The `ttlStrategy` in force: the workflow's own before the one of the template it was made from."""
    own = spec.get("ttlStrategy")
    return own if own is not None else (stored or {}).get("ttlStrategy")


def lifetime(ttl: Mapping[str, Any] | None, phase: str) -> timedelta | None:
    """How long a workflow that ended in `phase` is kept; None is for ever.

    As in Argo, `Error` counts as neither success nor failure: only `secondsAfterCompletion` speaks of it.
    """
    if not ttl:
        return None
    seconds = ttl.get(_SECONDS.get(phase, ""))
    if seconds is None:
        seconds = ttl.get("secondsAfterCompletion")
    return None if seconds is None else timedelta(seconds=int(seconds))


def expires_at(ttl: Mapping[str, Any] | None, phase: str, finished_at: datetime) -> datetime | None:
    """The moment from which it may be deleted."""
    kept = lifetime(ttl, phase)
    return None if kept is None else finished_at + kept


def is_expired(
    ttl: Mapping[str, Any] | None, phase: str, finished_at: datetime, now: datetime
) -> bool:
    """Whether it may be deleted now."""
    at = expires_at(ttl, phase, finished_at)
    return at is not None and now > at


def is_done(labels: Mapping[str, str]) -> bool:
    """Completed, and not waiting to be archived."""
    return labels.get(COMPLETED) == "true" and labels.get(ARCHIVING) != "Pending"


def surplus(finished: Sequence[tuple[str, str]], policy: Policy) -> list[str]:
    """Which of `(key, phase)`, newest first, are more than the policy keeps."""
    seen: dict[str, int] = {}
    extra = []
    for key, phase in finished:
        seen[phase] = seen.get(phase, 0) + 1
        limit = policy.of(phase)
        if limit is not None and seen[phase] > limit:
            extra.append(key)
    return extra
