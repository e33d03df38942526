"""What `lint` says about a set of files: faults of each object, references between them, doubts Argo keeps quiet about.

Nothing here needs an engine.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from bireme.kit.errors import InvalidManifest, Problem
from bireme.lang.script import Scripts
from bireme.manifests import yaml
from bireme.manifests.decode import decode, members
from bireme.manifests.events import OWN_TRIGGER_KINDS, EventSource, Sensor, Trigger
from bireme.manifests.lint_crd import size_doubts
from bireme.manifests.lint_events import event_doubts
from bireme.manifests.lint_sources import source_doubts
from bireme.manifests.lint_twice import defined_twice
from bireme.manifests.lint_workflow import workflow_doubts
from bireme.manifests.manifest import Manifest
from bireme.manifests.object_names import bad_names
from bireme.manifests.repair import without
from bireme.manifests.validate import problem, validate
from bireme.manifests.workflow import CronWorkflow
from bireme.manifests.yaml import Document

Check = Callable[[Manifest[Any]], Iterable[Problem]]

_HOLDS_TEMPLATES = frozenset(("WorkflowTemplate", "ClusterWorkflowTemplate"))
_RUNS = _HOLDS_TEMPLATES | {"Workflow"}


def lint(
    texts: Iterable[tuple[str, str]],
    *,
    strict_argo: bool = False,
    scripts: Scripts | None = None,
    more: Sequence[Check] = (),
) -> tuple[list[Problem], int]:
    """Problems of all the (text, file) pairs taken together, and how many objects were looked at.

    A reference to a template that no file holds is a warning, since it may be applied already. `strict_argo` names
    each field that Argo itself would refuse. `scripts` compiles jq and Lua, which are not looked at without it; `more`
    are the questions of those who will run the objects.
    """
    problems: list[Problem] = []
    manifests: list[Manifest[Any]] = []
    for text, file in texts:
        for document in _documents(text, file, problems):
            try:
                manifests.append(decode(document))
            except InvalidManifest as error:
                problems += error.problems
                manifests += _rest(document, error.problems)
    known = {(m.kind, m.metadata.namespace, m.metadata.name): m for m in manifests}
    sources = [m for m in manifests if isinstance(m, EventSource)]
    problems += source_doubts(sources)
    problems += defined_twice(manifests)
    for manifest in manifests:
        problems += _of_one(manifest, _Shelf(known), sources, scripts)
        problems += [problem for ask in more for problem in ask(manifest)]
        if strict_argo:
            problems += refused_by_argo(manifest)
    return problems, len(manifests)


def _documents(text: str, file: str, problems: list[Problem]) -> Iterator[Document]:
    documents, broken = yaml.load_all(text, file)
    problems += broken
    for document in documents:
        problems += document.warnings
        yield from members(document)


def _rest(document: Document, problems: list[Problem]) -> list[Manifest[Any]]:
    """The object without its faulty fields: one fault must not hide the others, nor the templates it holds."""
    rest = without(document, problems)
    try:
        return [decode(rest)] if rest else []
    except InvalidManifest:
        return []


class _Shelf:
    """The stored templates among the files. A manifest without namespace may end up in any."""

    def __init__(self, known: dict[tuple[str, str, str], Manifest[Any]]) -> None:
        self._known = known

    def __call__(self, kind: str, namespace: str, name: str) -> Manifest[Any] | None:
        if kind not in _HOLDS_TEMPLATES:
            return None
        return self._known.get((kind, namespace, name)) or self._known.get((kind, "", name))


def _of_one(
    manifest: Manifest[Any], shelf: _Shelf, sources: list[EventSource], scripts: Scripts | None
) -> Iterator[Problem]:
    yield from bad_names(manifest)
    for found in validate(manifest, shelf, "lint"):
        yield _softened(found)
    if manifest.kind in _RUNS:
        yield from workflow_doubts(manifest, manifest.spec, "spec")
    elif isinstance(manifest, CronWorkflow):
        yield from workflow_doubts(manifest, manifest.spec.workflow_spec, "spec.workflowSpec")
    elif isinstance(manifest, Sensor):
        yield from event_doubts(manifest, sources, scripts)
        yield from _embedded(manifest, shelf)


def _softened(found: Problem) -> Problem:
    if not found.message.endswith(" not found"):
        return found
    advice = "Lint it together with the file that holds the template, or apply that first."
    return msgspec.structs.replace(found, severity="warning", advice=advice)


def _embedded(sensor: Sensor, shelf: _Shelf) -> Iterator[Problem]:
    """The workflows that triggers submit, checked where they stand."""
    for index, trigger in enumerate(sensor.spec.triggers):
        path = f"spec.triggers[{index}].template.argoWorkflow.source.resource"
        resource = _resource(trigger)
        if resource is None:
            continue
        inner = sensor.document.member(path, resource) if sensor.document else None
        try:
            manifest = decode(inner or resource)
        except InvalidManifest as error:
            yield from (_within(p, sensor, path) for p in error.problems)
            continue
        if manifest.kind in _RUNS:
            for found in validate(manifest, shelf, "lint"):
                yield _within(_softened(found), sensor, path)
            for found in workflow_doubts(manifest, manifest.spec, "spec"):
                yield _within(found, sensor, path)


def _resource(trigger: Trigger) -> dict[str, Any] | None:
    body = trigger.template.bodies.get("argoWorkflow") if trigger.template else None
    source = body.get("source") if body else None
    resource = source.get("resource") if isinstance(source, dict) else None
    return resource if isinstance(resource, dict) else None


def _within(found: Problem, sensor: Sensor, path: str) -> Problem:
    whole = f"{path}.{found.path}" if found.path else path
    return msgspec.structs.replace(found, object=sensor.title, path=whole)


def refused_by_argo(manifest: Manifest[Any]) -> Iterator[Problem]:
    """Older spellings that Argo 4 dropped, and fields that are ours."""
    for path, today in manifest.renamed:
        field = path.rpartition(".")[2]
        message = f"Argo 4 refuses the older spelling '{field}'"
        yield problem(manifest, message, path, f"Write {today}.")
    for path, message, advice in _too_long(manifest):
        yield problem(manifest, message, path, advice)
    for path in _extensions(manifest):
        field = path.rpartition(".")[2]
        message = f"'{field}' is an extension that Argo does not know"
        yield problem(manifest, message, path, "Leave it out where Argo has to read the manifest.")


def _too_long(manifest: Manifest[Any]) -> Iterator[tuple[str, str, str]]:
    spec = manifest.raw.get("spec") or {}
    if manifest.kind in _RUNS:
        root, plain = "spec", spec
    elif isinstance(manifest, CronWorkflow):
        root, plain = "spec.workflowSpec", spec.get("workflowSpec") or {}
    else:
        return
    for path, message, advice in size_doubts(plain):
        yield f"{root}.{path}", message, advice


def _extensions(manifest: Manifest[Any]) -> Iterator[str]:
    if isinstance(manifest, CronWorkflow) and manifest.spec.calendar is not None:
        yield "spec.calendar"
    for index, trigger in enumerate(manifest.spec.triggers if isinstance(manifest, Sensor) else ()):
        for field in ("join", "coalesce", "concurrency", "breaker"):
            if trigger.template is not None and getattr(trigger.template, field) is not None:
                yield f"spec.triggers[{index}].template.{field}"
        if trigger.template is not None and trigger.template.kind in OWN_TRIGGER_KINDS:
            yield f"spec.triggers[{index}].template.{trigger.template.kind}"
