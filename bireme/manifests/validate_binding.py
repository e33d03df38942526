"""What is wrong with a WorkflowEventBinding: expressions that do not parse, what they are missing from."""

from collections.abc import Iterator

from bireme.kit.errors import Problem, UserError
from bireme.lang import expr
from bireme.manifests.resolve import TemplateLookup
from bireme.manifests.workflow import Submit, WorkflowEventBinding

_Place = tuple[str, str]
"""A path and the expression that stands there."""


def validate_binding(manifest: WorkflowEventBinding, templates: TemplateLookup) -> list[Problem]:
    """All of it, by path and line."""
    return list(_problems(manifest, templates))


def _problems(manifest: WorkflowEventBinding, templates: TemplateLookup) -> Iterator[Problem]:
    spec = manifest.spec
    if not spec.event.selector:
        advice = 'write an expression such as discriminator == "names"'
        yield manifest.problem("selector is missing", "spec.event.selector", advice=advice)
    submit = spec.submit
    places = [("spec.event.selector", spec.event.selector), *(_places(submit) if submit else ())]
    for path, text in ((path, text) for path, text in places if text):
        try:
            expr.compile(text)
        except UserError as error:
            yield manifest.problem(f"the expression cannot be read: {error}", path)
    if submit is not None:
        yield from _submitted(manifest, submit, templates)


def _places(submit: Submit) -> Iterator[_Place]:
    metadata, path = submit.metadata, "spec.submit.metadata"
    yield f"{path}.name", metadata.name
    yield f"{path}.generateName", metadata.generate_name
    yield from ((f"{path}.labels.{name}", text) for name, text in metadata.labels.items())
    yield from ((f"{path}.annotations.{name}", text) for name, text in metadata.annotations.items())
    for index, parameter in enumerate(submit.arguments.parameters):
        source = parameter.value_from
        yield _event_of(index), source.event if source else ""


def _event_of(index: int) -> str:
    return f"spec.submit.arguments.parameters[{index}].valueFrom.event"


def _submitted(
    manifest: WorkflowEventBinding, submit: Submit, templates: TemplateLookup
) -> Iterator[Problem]:
    ref = submit.workflow_template_ref
    path = "spec.submit.workflowTemplateRef.name"
    kind = "ClusterWorkflowTemplate" if ref.cluster_scope else "WorkflowTemplate"
    namespace = "" if ref.cluster_scope else manifest.metadata.namespace
    if not ref.name:
        yield manifest.problem("the template's name is missing", path)
    elif templates(kind, namespace, ref.name) is None:
        advice = "apply the template, or lint it together with this file"
        text = f"{kind} {ref.name} is not there"
        yield manifest.problem(text, path, advice=advice, severity="warning")
    for index, parameter in enumerate(submit.arguments.parameters):
        if parameter.value_from is None or not parameter.value_from.event:
            advice = "write an expression such as payload.name"
            yield manifest.problem("an expression is missing", _event_of(index), advice=advice)
