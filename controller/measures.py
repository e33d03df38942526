"""Custom metrics of workflows, added up since the start: what /metrics shows beside the engine's own."""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from msgspec import UNSET

from controller.births import LiveRun
from controller.dag import measure
from controller.dag import model as dag
from controller.dag.measure import Fault, Measured, Sample

log = structlog.get_logger(__name__)

Labels = tuple[tuple[str, str], ...]
MOST = 10_000
"""How many series workflows may make: labels with a value of its own for each run would fill the memory."""


def of_step(live: LiveRun, done: dag.Advance, now: datetime, *, ended: bool) -> list[Measured]:
    """The custom metrics of the nodes that a step has ended, and of the run if that has `ended`."""
    if not live.has_metrics:
        return []
    moved = [c.id for c in done.changes if type(c) is dag.NodeChanged and c.phase is not UNSET]
    nodes = (live.run.nodes[node] for node in moved if node in live.run.nodes)
    found = [one for node in nodes for one in measure.of_node(live.run, node, now)]
    return [*found, *(measure.of_run(live.run) if ended else ())]


@dataclass(slots=True)
class Series:
    """One name with one set of labels. `counts` are of the buckets, not added up; the last is beyond all bounds."""

    value: float = 0.0
    counts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Family:
    """All series of one name."""

    name: str
    kind: str
    help: str
    buckets: tuple[float, ...]
    series: dict[Labels, Series] = field(default_factory=dict)


class Measures:
    """Takes samples, keeps sums. A name belongs to the kind that used it first."""

    def __init__(self) -> None:
        self.families: dict[str, Family] = {}
        self.faults = 0
        self._count = 0

    def take(self, workflow: str, measured: Iterable[Measured]) -> None:
        """Add what a node or run has said; what cannot be added is logged and counted."""
        for one in measured:
            if isinstance(one, Fault):
                self._refuse(workflow, one.name, one.reason)
            elif reason := self._add(one):
                self._refuse(workflow, one.name, reason)

    def _refuse(self, workflow: str, name: str, reason: str) -> None:
        self.faults += 1
        log.warning("metric_not_emitted", workflow=workflow, metric=name, reason=reason)

    def _add(self, sample: Sample) -> str:
        """Why not; empty when it was added."""
        family = self.families.get(sample.name)
        if family is None:
            family = Family(sample.name, sample.kind, sample.help, tuple(sorted(sample.buckets)))
            self.families[sample.name] = family
        if family.kind != sample.kind:
            return f"it is a {family.kind} already, so it cannot be a {sample.kind}"
        labels = tuple(sorted(sample.labels))
        if labels not in family.series:
            if self._count >= MOST:
                return f"there are {MOST} series already; use labels with fewer values"
            self._count += 1
            family.series[labels] = Series(counts=[0] * (len(family.buckets) + 1))
        _apply(family, family.series[labels], sample)
        return ""


def _apply(family: Family, series: Series, sample: Sample) -> None:
    if sample.kind == "histogram":
        series.counts[bisect.bisect_left(family.buckets, sample.value)] += 1
    if sample.kind == "gauge" and sample.operation == "Set":
        series.value = sample.value
    else:
        series.value += -sample.value if sample.operation == "Sub" else sample.value
