"""Custom metrics: what a node or a run that has ended says for Prometheus, and what one under way says right now.

A metric that cannot be computed is a fault in words; it never fails the workflow.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bireme.kit.errors import UserError
from bireme.lang import tags, when
from controller.dag import ending, resources, scope
from controller.dag.library import metrics_of
from controller.dag.model import Json, Node
from controller.dag.phase import COMPLETED, FULFILLED
from controller.dag.state import Run

Kind = Literal["counter", "gauge", "histogram"]
KINDS: tuple[Kind, ...] = ("counter", "gauge", "histogram")
Variables = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value for one series. `operation` is Set, Add or Sub, for gauges only; `buckets` are upper bounds."""

    name: str
    help: str
    kind: Kind
    labels: tuple[tuple[str, str], ...]
    value: float
    operation: str = "Set"
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A metric without a value, and why."""

    name: str
    reason: str


Measured = Sample | Fault


def of_node(run: Run, node: Node, now: datetime) -> Iterator[Measured]:
    """What the template of a node that has just ended wants to be said; attempts of a retry leave it to their node."""
    metrics = _declared(run, node) if node.phase in COMPLETED else []
    if metrics and "retried" not in node.flags:
        yield from _all(metrics, _known(run, node, now))


def of_run(run: Run) -> Iterator[Measured]:
    """What a run that has ended wants to be said."""
    if metrics := metrics_of(run.spec):
        known = {**_variables(run, run.finished), "workflow.status": run.phase}
        known |= {"workflow.failures": ending.failures(run), "status": run.phase}
        known |= _resources(resources.of_run(run))
        yield from _all(metrics, known)


def faults_of(run: Run) -> list[str]:
    """The metrics of what has ended that could not be computed, each message once, for the condition MetricsError."""
    if not run.library.has_metrics:
        return []
    ended = ((node, at) for node in run.nodes.values() if (at := node.finished) is not None)
    measured = [one for node, at in ended for one in of_node(run, node, at)]
    measured += of_run(run) if run.phase in COMPLETED else ()
    faults = (f"metric '{one.name}': {one.reason}" for one in measured if isinstance(one, Fault))
    return list(dict.fromkeys(faults))


def right_now(run: Run, now: datetime) -> Iterator[Measured]:
    """The realtime gauges of a run that has not ended and of its nodes."""
    yield from _all(_realtime(metrics_of(run.spec)), _variables(run, now))
    for node in run.nodes.values():
        if node.phase not in FULFILLED and node.template and "retried" not in node.flags:
            yield from _all(_realtime(_declared(run, node)), _known(run, node, now))


def _declared(run: Run, node: Node) -> list[Json]:
    return metrics_of(run.definition(node).template) if node.template else []


def _realtime(metrics: Iterable[Json]) -> list[Json]:
    return [metric for metric in metrics if (metric.get("gauge") or {}).get("realtime")]


def _variables(run: Run, now: datetime | None) -> dict[str, str | None]:
    """Those of the run, the moving ones as of `now`, also when the run was made from its history."""
    passed = (now - run.started).total_seconds() if run.started and now else 0.0
    return {
        **run.variables,
        "workflow.status": run.seen_status,
        "workflow.duration": f"{passed:f}",
    }


def _known(run: Run, node: Node, now: datetime) -> Variables:
    """Variables of template metrics, all texts."""
    begun = node.started or now
    known = {**_variables(run, now), **scope.own_variables(run, node, run.definition(node))}
    known |= scope.node_variables(run, node)
    known["duration"] = f"{((node.finished or now) - begun).total_seconds():f}"
    known |= _resources(resources.of_node(run, node))
    if node.type == "Retry":
        known["retries"] = str(
            max(sum("retried" in run.nodes[c].flags for c in node.children or ()) - 1, 0)
        )
    return known


def _resources(spent: Mapping[str, int]) -> dict[str, str]:
    return {f"resourcesDuration.{name}": str(value) for name, value in spent.items()}


def _all(metrics: Iterable[Json], known: Variables) -> Iterator[Measured]:
    for metric in metrics:
        try:
            sample = _sample(metric, known)
        except (UserError, ValueError) as error:
            yield Fault(metric["name"], str(error))
        else:
            if sample is not None:
                yield sample


def _sample(metric: Json, known: Variables) -> Sample | None:
    """None when its `when` is false. Raises LangError or ValueError."""
    condition = metric.get("when")
    if condition and not when.eval_when(tags.replace(condition, known, strict="all")):
        return None
    kind = next((kind for kind in KINDS if metric.get(kind)), None)
    if kind is None:
        raise ValueError("one of counter, gauge and histogram is needed")
    body = metric[kind]
    text = tags.replace(body["value"], known, strict="all")
    labels = metric.get("labels") or ()
    return Sample(
        name=metric["name"],
        help=metric.get("help") or "",
        kind=kind,
        labels=tuple((i["key"], tags.replace(i["value"], known, strict="all")) for i in labels),
        value=_number(text),
        operation=body.get("operation") or "Set",
        buckets=tuple(float(bound) for bound in body.get("buckets") or ()),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"value '{text}' is not a number") from None
