"""Custom metrics: names Prometheus takes, a help text, a value."""

from bireme.manifests.metrics import Prometheus
from bireme.manifests.template import Template
from bireme.manifests.validate_names import Invalid, is_valid_metric_name


def check_metrics(template: Template) -> None:
    """Every metric of a template. Raises Invalid."""
    for metric in template.metrics.prometheus if template.metrics else ():
        where = f"templates.{template.name} metric"
        if not is_valid_metric_name(metric.name):
            raise Invalid(
                f"{where} name '{metric.name}' is invalid. Metric names must contain alphanumeric characters or '_'"
            )
        for label in metric.labels:
            if not is_valid_metric_name(label.key):
                raise Invalid(
                    f"metric label '{label.key}' is invalid: keys may only contain alphanumeric characters or '_'"
                )
        if not metric.help:
            raise Invalid(
                f"{where} '{metric.name}' must contain a help string under 'help: ' field"
            )
        if fault := _value_fault(metric):
            raise Invalid(f"{where} '{metric.name}' error: {fault}")


def _value_fault(metric: Prometheus) -> str:
    for kind in ("gauge", "counter", "histogram"):
        body = getattr(metric, kind)
        if body is not None and not body.value:
            return f"missing {kind}.value"
    gauge = metric.gauge
    if gauge is not None and gauge.realtime and "resourcesDuration." in gauge.value:
        return "'resourcesDuration.*' metrics cannot be used in real-time"
    return ""
