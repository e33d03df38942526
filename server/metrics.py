"""Prometheus metrics: names as Argo's where Argo has them. Taken from rows and banks when somebody asks."""

import platform
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bireme.kit.version import installed
from controller.measures import Family, Series

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from server.deck import Deck


class Metrics:
    """What cannot be read from rows: how many workflows have ended since the start, by phase and namespace."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()

    def count_end(self, live: Any, phase: str) -> None:
        """A workflow has ended."""
        self.ended[phase, live.namespace] += 1


async def render(deck: "Deck") -> bytes:
    """All metrics as Prometheus text."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Taken(await _families(deck)))
    return generate_latest(registry)


class _Taken:
    """Families that were taken already, as the registry wants to see them."""

    def __init__(self, families: "list[Metric]") -> None:
        self._families = families

    def collect(self) -> "list[Metric]":
        return self._families

    def describe(self) -> "list[Metric]":
        return []


async def _families(deck: "Deck") -> "list[Metric]":
    return [
        *await _workflow_families(deck),
        *await _event_families(deck),
        *_source_families(deck),
        *_custom_families(deck),
        _version(),
    ]


async def _workflow_families(deck: "Deck") -> "list[Metric]":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    phases = GaugeMetricFamily("argo_workflows_gauge", "Workflows that exist.", labels=["phase"])
    rows = await deck.database.read("SELECT phase, COUNT(*) FROM runs GROUP BY phase")
    for phase, count in rows:
        phases.add_metric([phase or "Pending"], count)
    ended = CounterMetricFamily(
        "argo_workflows_total_count",
        "Workflows that have ended since the start.",
        labels=["phase", "namespace"],
    )
    for (phase, namespace), count in sorted(deck.metrics.ended.items()):
        ended.add_metric([phase, namespace], count)
    leader = GaugeMetricFamily("argo_workflows_is_leader", "1: this process is the only engine.", 1)
    return [phases, ended, leader]


async def _event_families(deck: "Deck") -> "list[Metric]":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    newest = await deck.database.read("SELECT COALESCE(MAX(seq), 0) FROM events")
    decided = await deck.database.read("SELECT COALESCE(MAX(id), 0) FROM decisions")
    waiting = GaugeMetricFamily(
        "bireme_firings_open", "Firings that are not done.", labels=["status"]
    )
    for status in ("pending", "dead"):
        rows = await deck.database.read("SELECT COUNT(*) FROM firings WHERE status = ?", (status,))
        waiting.add_metric([status], rows[0][0])
    return [
        CounterMetricFamily("bireme_events_accepted", "Events in the log.", newest[0][0]),
        CounterMetricFamily("bireme_events_repeated", "Repeated deliveries.", deck.bus.duplicates),
        CounterMetricFamily("bireme_decisions", "Decisions of sensors.", decided[0][0]),
        waiting,
    ]


def _source_families(deck: "Deck") -> "list[Metric]":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    labels = ["namespace", "eventsource", "event", "kind"]
    counts = {
        name: CounterMetricFamily(f"bireme_source_events_{name}", text, labels=labels)
        for name, text in (
            ("accepted", "Events a source has published."),
            ("filtered", "Events a source's own filter turned away."),
            ("failed", "Events that could not be kept."),
            ("poison", "Messages that can be no event, and were set aside."),
            ("refused", "Requests that were turned away, such as those with a wrong signature."),
        )
    }
    up = GaugeMetricFamily("bireme_source_up", "1 while a source listens.", labels=labels)
    for status in deck.sources.status():
        values = [status.namespace, status.name, status.subject, status.kind]
        for name, family in counts.items():
            family.add_metric(values, getattr(status, name))
        up.add_metric(values, float(status.state == "listening"))
    return [*counts.values(), up]


def _custom_families(deck: "Deck") -> "Iterator[Metric]":
    """What workflows define under `metrics`. Series of one name may have different labels."""
    from prometheus_client.metrics_core import CounterMetricFamily, Metric

    measures = deck.controller.measures
    for family in measures.families.values():
        name = f"argo_workflows_{family.name}"
        name = name.removesuffix("_total") if family.kind == "counter" else name
        found = Metric(name, family.help, family.kind)
        for labels, series in family.series.items():
            for suffix, more, value in _samples(family, series):
                found.add_sample(name + suffix, {**dict(labels), **more}, value)
        yield found
    yield CounterMetricFamily(
        "bireme_workflow_metric_faults", "Custom metrics without a value.", measures.faults
    )


def _samples(family: Family, series: Series) -> "Iterator[tuple[str, dict[str, str], float]]":
    if family.kind != "histogram":
        yield ("_total" if family.kind == "counter" else ""), {}, series.value
        return
    total = 0
    for bound, count in zip((*family.buckets, float("inf")), series.counts, strict=True):
        total += count
        yield "_bucket", {"le": "+Inf" if bound == float("inf") else str(bound)}, total
    yield "_count", {}, total
    yield "_sum", {}, series.value


def _version() -> "Metric":
    from prometheus_client.metrics_core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "argo_workflows_version", "What runs.", labels=["version", "platform", "compiler"]
    )
    machine = f"{platform.system().lower()}/{platform.machine()}"
    family.add_metric([installed(), machine, platform.python_implementation()], 1)
    return family
