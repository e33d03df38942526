"""Values of the workflow controller's shell: what is kept of a run, and what is said about it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Json = dict[str, Any]
WatchType = Literal["ADDED", "MODIFIED", "DELETED"]
FINAL_PHASES = frozenset(("Succeeded", "Failed", "Error"))


class Definition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run is made of, frozen at its birth: later edits of templates do not reach it.

    `manifest` is the workflow as it was created, `stored_spec` the spec merged from its `workflowTemplateRef` (None
    without one), `templates` the specs that template references reach, by `namespaced/<name>` and `cluster/<name>`,
    `config_maps` the data of the config maps it takes parameters from, by name.
    """

    manifest: Json
    stored_spec: Json | None = None
    templates: dict[str, Json] = {}
    config_maps: dict[str, dict[str, str]] = {}

    @property
    def spec(self) -> Json:
        """The spec that is executed."""
        return self.manifest["spec"] if self.stored_spec is None else self.stored_spec

    @property
    def metadata(self) -> Json:
        metadata: Json = self.manifest["metadata"]
        return metadata


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `runs`, times as seconds since the epoch, `manifest` and `status` still encoded."""

    uid: str
    namespace: str
    name: str
    phase: str
    live: bool
    firing: str | None
    cron: str | None
    labels: dict[str, str]
    manifest: bytes
    status: bytes
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None


class HistoryRow(msgspec.Struct, frozen=True, array_like=True):
    """One step of one run: the `n`th, encoded changes in `entry`."""

    run: str
    n: int
    at: float
    entry: bytes


class PhaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a step changed in the run's own row."""

    uid: str
    phase: str
    live: bool
    status: bytes
    started_at: float | None
    finished_at: float | None
    cron: str | None = None


class Change(msgspec.Struct, frozen=True):
    """One entry of a watch: what happened, and the workflow as it is now."""

    type: WatchType
    object: Json


class SleeperRow(msgspec.Struct, frozen=True, array_like=True):
    """A live run that waits: as it stands after `n` steps, and when it goes on by itself (None: never)."""

    run: str
    n: int
    wake_at: float | None
    header: bytes


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A live run as a start finds it. `sleeper` is None for one that was at work."""

    uid: str
    namespace: str
    sleeper: SleeperRow | None


def moment(seconds: float | None) -> datetime | None:
    """Seconds since the epoch as aware UTC time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def rfc3339(at: datetime | None) -> str | None:
    """Argo's way to write a time: whole seconds, `Z`."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cron_key(namespace: str, name: str) -> str:
    """How a CronWorkflow is named in `runs.cron`."""
    return f"{namespace}/{name}"


def labels_of(labels: Mapping[str, str], phase: str) -> dict[str, str]:
    """A workflow's labels with the two the controller keeps."""
    kept = {**labels}
    if phase:
        kept["workflows.argoproj.io/phase"] = phase
        kept["workflows.argoproj.io/completed"] = str(phase in FINAL_PHASES).lower()
    return kept
