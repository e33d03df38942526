"""Custom metrics of a workflow or template."""
# ruff: noqa: RUF012 (a Struct copies an empty default for each instance)

from bireme.manifests.base import Spec


class MetricLabel(Spec, frozen=True):
    key: str = ""
    value: str = ""


class Gauge(Spec, frozen=True):
    value: str = ""
    realtime: bool | None = None
    operation: str = ""


class Counter(Spec, frozen=True):
    value: str = ""


class Histogram(Spec, frozen=True):
    value: str = ""
    buckets: list[float] = []


class Prometheus(Spec, frozen=True):
    name: str = ""
    help: str = ""
    labels: list[MetricLabel] = []
    when: str = ""
    gauge: Gauge | None = None
    histogram: Histogram | None = None
    counter: Counter | None = None


class Metrics(Spec, frozen=True):
    prometheus: list[Prometheus] = []
