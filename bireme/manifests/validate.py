"""Argo's validation of every kind, in Argo's words, with file, line and path added.

The first problem is the one Argo would report; those after it are ones it would have come to later.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from bireme.kit.errors import Problem
from bireme.manifests import validate_events
from bireme.manifests.events import EventBus, EventSource, Sensor
from bireme.manifests.locate import locate
from bireme.manifests.manifest import Manifest
from bireme.manifests.resolve import TemplateLookup, nothing_stored
from bireme.manifests.validate_binding import validate_binding
from bireme.manifests.validate_cron import check_cron, metadata_of_runs
from bireme.manifests.validate_names import Invalid
from bireme.manifests.validate_workflow import WorkflowChecks
from bireme.manifests.workflow import CronWorkflow, WorkflowEventBinding, WorkflowSpec

__all__ = [
    "TemplateLookup",
    "validate",
    "validate_cron",
    "validate_event_bus",
    "validate_event_source",
    "validate_sensor",
    "validate_workflow",
]

Mode = Literal["create", "lint", "submit"]
_LONGEST_NAME = 63
_TITLES = {
    "Workflow": "workflow",
    "WorkflowTemplate": "workflow template",
    "ClusterWorkflowTemplate": "cluster workflow template",
}


def validate(
    manifest: Manifest[Any], templates: TemplateLookup = nothing_stored, mode: Mode = "create"
) -> list[Problem]:
    """What is wrong with a manifest of any kind; kinds without rules have no problems."""
    if manifest.kind in _TITLES:
        return validate_workflow(manifest, templates, mode)
    if isinstance(manifest, CronWorkflow):
        return validate_cron(manifest, templates, mode)
    if isinstance(manifest, Sensor):
        return validate_sensor(manifest)
    if isinstance(manifest, EventSource):
        return validate_event_source(manifest)
    if isinstance(manifest, WorkflowEventBinding):
        return validate_binding(manifest, templates)
    return validate_event_bus(manifest) if isinstance(manifest, EventBus) else []


def validate_workflow(
    manifest: Manifest[WorkflowSpec],
    templates: TemplateLookup = nothing_stored,
    mode: Mode = "create",
) -> list[Problem]:
    """A Workflow or a stored template. `lint` allows arguments without values; `submit` asks a template for them."""
    title, name = _TITLES[manifest.kind], manifest.metadata.name
    if len(name) > _LONGEST_NAME:
        text = _too_long(title, name, _LONGEST_NAME)
        return [problem(manifest, text, "metadata.name")]
    checks = WorkflowChecks(
        spec=manifest.spec,
        metadata=manifest.metadata,
        lookup=templates,
        is_lint=mode == "lint",
        is_stored=manifest.kind != "Workflow",
        is_submit=mode == "submit",
        is_cluster_wide=manifest.kind == "ClusterWorkflowTemplate",
    )
    spec = manifest.raw.get("spec") or {}
    return [problem(manifest, text, locate(text, spec)) for text in _distinct(checks.faults())]


def validate_cron(
    manifest: CronWorkflow, templates: TemplateLookup = nothing_stored, mode: Mode = "create"
) -> list[Problem]:
    """The schedule first, then the workflow it makes."""
    name = manifest.metadata.name
    if len(name) > 52:
        return [problem(manifest, _too_long("cron workflow", name, 52), "metadata.name")]
    try:
        check_cron(manifest.spec)
    except Invalid as error:
        return [problem(manifest, str(error), "spec")]
    checks = WorkflowChecks(
        spec=manifest.spec.workflow_spec,
        metadata=metadata_of_runs(manifest),
        lookup=templates,
        is_lint=mode == "lint",
    )
    spec = (manifest.raw.get("spec") or {}).get("workflowSpec") or {}
    return [
        problem(
            manifest,
            f"cannot validate Workflow: {text}",
            locate(text, spec, "spec.workflowSpec"),
        )
        for text in _distinct(checks.faults())
    ]


def validate_sensor(manifest: Sensor, bus: str = "jetstream") -> list[Problem]:
    """As Argo's controller and lint do; `bus` is the kind of bus it will listen on."""
    return _first(manifest, lambda: validate_events.check_sensor(manifest.spec, bus))


def validate_event_source(manifest: EventSource) -> list[Problem]:
    """Event names are unique across kinds. What a kind demands, its plugin says."""
    return _first(manifest, lambda: validate_events.check_event_source(manifest.spec))


def validate_event_bus(manifest: EventBus) -> list[Problem]:
    """One bus, completely described."""
    return _first(manifest, lambda: validate_events.check_event_bus(manifest.spec))


def problem(manifest: Manifest[Any], text: str, path: str, advice: str = "") -> Problem:
    """A complaint about a field of a manifest, placed in its file."""
    return manifest.problem(text, path, advice=advice or _advice(text))


def _first(manifest: Manifest[Any], check: Callable[[], None]) -> list[Problem]:
    try:
        check()
    except validate_events.InvalidAt as error:
        return [problem(manifest, str(error), error.path)]
    return []


def _distinct(faults: Iterator[str]) -> list[str]:
    """Without those that only repeat an earlier one with another prefix, or follow from one."""
    kept: list[str] = []
    for fault in faults:
        follows = bool(kept) and "failed to resolve {{workflow.outputs." in fault
        if not follows and not any(fault.endswith(earlier) for earlier in kept):
            kept.append(fault)
    return kept


def _too_long(title: str, name: str, most: int) -> str:
    return f'{title} name "{name}" must not be more than {most} characters long (currently {len(name)})'


_ADVICE = (
    (
        "failed to resolve",
        "Check the spelling of the variable, and that what it names comes before.",
    ),
    ("undefined", "Check the spelling, or add a template of that name."),
    ("not found", "Apply the template it refers to first."),
    ("was not supplied", "Pass it where the template is called, or give the input a default."),
    ("graph with cycle", "Remove one of the dependencies that close the circle."),
    ("type is unknown", "Give the template one body: container, script, steps, dag, suspend …"),
    ("multiple template types", "Move each body to a template of its own."),
    ("is not unique", "Choose another name."),
    ("entrypoint is required", "Write spec.entrypoint: the name of the template to start with."),
)


def _advice(text: str) -> str:
    return next((advice for fragment, advice in _ADVICE if fragment in text), "")
