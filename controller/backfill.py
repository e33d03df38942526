"""Runs of a CronWorkflow for moments that are past: what they are. Pure; `CronBank.backfill` creates them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bireme.lang.expr.times import format_time
from controller import submission
from controller.model import Json, rfc3339
from controller.ports import BadOption

BACKFILL = "backfill"
"""Argo's label for what a backfill made: it belongs to no schedule, so no history limit forgets it."""
MOST = 1000


class BackfillOptions(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """Moments in (start, end]. Unless `parallel`, the runs share the mutex `name` and so go one after the other."""

    start: datetime
    end: datetime
    name: str = ""
    argname: str = "cronScheduleTime"
    format: str = "Mon, 02 Jan 2006 15:04:05 MST"
    parallel: bool = False
    dry_run: bool = False
    max_workflow_count: int = MOST

    def checked(self) -> "BackfillOptions":
        """Itself, with times in UTC. Raises BadOption for what cannot be meant."""
        for field in ("start", "end"):
            if getattr(self, field).tzinfo is None:
                raise BadOption(f"{field}: a time zone is missing; write 2026-01-31T00:00:00Z")
        if self.start >= self.end:
            raise BadOption("start must be before end")
        if not 0 < self.max_workflow_count <= MOST:
            raise BadOption(f"maxWorkflowCount must be between 1 and {MOST}")
        utc = {field: getattr(self, field).astimezone(UTC) for field in ("start", "end")}
        return msgspec.structs.replace(self, **utc)


def options(body: Mapping[str, Any]) -> BackfillOptions:
    """From a request's body. Raises BadOption."""
    try:
        return msgspec.convert(dict(body), BackfillOptions).checked()
    except msgspec.ValidationError as error:
        raise BadOption(f"backfill: {error}") from error


def workflow(cron: Mapping[str, Any], at: datetime, asked: BackfillOptions) -> Json:
    """The run for one moment, under the name that the schedule itself would have given it: it is made once."""
    name = cron["metadata"]["name"]
    made = submission.from_cron(cron, rfc3339(at) or "", f"{name}-{int(at.timestamp())}")
    labels = {k: v for k, v in made["metadata"]["labels"].items() if k != submission.CRON}
    metadata = {**made["metadata"], "labels": {**labels, BACKFILL: name}}
    spec = made["spec"]
    if not asked.parallel:
        spec = _one_by_one(spec, asked.name or f"backfill-{name}")
    text = f"{asked.argname}={format_time(at, asked.format)}"
    with_time = submission.SubmitOptions(parameters=[text])
    return submission.apply_options({**made, "metadata": metadata, "spec": spec}, with_time)


def _one_by_one(spec: Json, mutex: str) -> Json:
    locks = spec.get("synchronization") or {}
    mutexes = [*(locks.get("mutexes") or ()), {"name": mutex}]
    return {**spec, "synchronization": {**locks, "mutexes": mutexes}}
