"""Doubts about a workflow that Argo would accept and then fail, wait for ever, or never run a part of."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from bireme.kit.errors import Problem, UserError
from bireme.manifests.control import RetryStrategy
from bireme.manifests.doubts import Doubt, steps_of
from bireme.manifests.lint_calls import call_doubts
from bireme.manifests.lint_crd import word_doubts
from bireme.manifests.lint_outputs import output_doubts
from bireme.manifests.lint_pod_fields import pod_doubts
from bireme.manifests.lint_reach import reach_doubts
from bireme.manifests.lint_tags import tag_doubts, tag_faults
from bireme.manifests.manifest import Manifest
from bireme.manifests.template import Template, WorkflowStep
from bireme.manifests.values import is_int_or_variable
from bireme.manifests.workflow import WorkflowSpec


def workflow_doubts(manifest: Manifest[Any], spec: WorkflowSpec, root: str) -> Iterator[Problem]:
    """Warnings, placed by line; an expression that cannot be read is an error."""
    for path, message, advice in tag_faults(_plain(manifest, root)):
        yield manifest.problem(message, f"{root}.{path}", advice=advice)
    for path, message, advice in _all(manifest, spec, root):
        yield manifest.problem(message, f"{root}.{path}", advice=advice, severity="warning")


def _plain(manifest: Manifest[Any], root: str) -> Any:
    """The spec as it was written; a fault may have cost the manifest all of it."""
    spec = manifest.raw.get("spec") or {}
    return spec if root == "spec" else spec.get("workflowSpec") or {}


def _all(manifest: Manifest[Any], spec: WorkflowSpec, root: str) -> Iterator[Doubt]:
    yield from reach_doubts(manifest, spec)
    yield from _of_templates(spec)
    yield from call_doubts(spec)
    yield from output_doubts(spec)
    plain = _plain(manifest, root)
    complete = manifest.kind in ("Workflow", "CronWorkflow") and spec.workflow_template_ref is None
    yield from tag_doubts(plain, complete=complete)
    yield from word_doubts(plain)
    yield from pod_doubts(plain)


def _of_templates(spec: WorkflowSpec) -> Iterator[Doubt]:
    for index, template in enumerate(spec.templates):
        path = f"templates[{index}]"
        for place, step in steps_of(template):
            yield from _step(step, f"{path}.{place}")
        yield from _siblings(template, path)
        yield from _times(template, path)
        for at, parameter in enumerate(template.outputs.parameters):
            source = parameter.value_from
            if source is not None and source.expression:
                place = f"{path}.outputs.parameters[{at}].valueFrom.expression"
                yield from _expression(source.expression, place)
        if template.retry_strategy is not None:
            yield from _retries(template.retry_strategy, f"{path}.retryStrategy")
    if spec.retry_strategy is not None:
        yield from _retries(spec.retry_strategy, "retryStrategy")
    for name, hook in spec.hooks.items():
        yield from _expression(hook.expression, f"hooks.{name}.expression")


def _step(step: WorkflowStep, path: str) -> Iterator[Doubt]:
    if step.when and "{{" not in step.when:
        yield from _when(step.when, f"{path}.when")
    for name, hook in step.hooks.items():
        yield from _expression(hook.expression, f"{path}.hooks.{name}.expression")
    if step.with_items == []:
        message = "an empty list is no loop: the step runs once, as if withItems were not there"
        yield f"{path}.withItems", message, "Give it items, or remove it."
    if step.with_param and "{{" not in step.with_param:
        yield from _with_param(step.with_param, f"{path}.withParam")


def _when(text: str, path: str) -> Iterator[Doubt]:
    from bireme.lang import when  # each language is loaded for those who write in it

    try:
        if not when.eval_when(text):
            yield (
                path,
                f"never runs: '{text}' is always false",
                "Remove it, or use a variable in it.",
            )
    except UserError as error:
        yield path, str(error), "Put texts in quotes and compare with == or !=."


def _with_param(text: str, path: str) -> Iterator[Doubt]:
    try:
        is_list = isinstance(json.loads(text), list)
    except ValueError:
        is_list = False
    if not is_list:
        yield path, "withParam is not a JSON list", "Write a list such as [1, 2], or use withItems."


def _siblings(template: Template, path: str) -> Iterator[Doubt]:
    """A step that uses another of its own group waits for ever: the whole group starts at once."""
    for at, group in enumerate(template.steps or ()):
        names = [step.name for step in group if step.name]
        for index, step in enumerate(group):
            texts = [p.value or "" for p in step.arguments.parameters]
            texts += [a.from_ for a in step.arguments.artifacts] + [step.when, step.with_param]
            for name in names:
                if name != step.name and any(f"{{{{steps.{name}." in text for text in texts):
                    message = (
                        f"step '{step.name}' uses '{name}' of its own group, which starts with it"
                    )
                    advice = f"Move '{step.name}' to a later group."
                    yield f"{path}.steps[{at}][{index}]", message, advice


def _times(template: Template, path: str) -> Iterator[Doubt]:
    if template.suspend is not None:
        yield from _duration(template.suspend.duration, f"{path}.suspend.duration")
    for name, text in (("timeout", template.timeout), ("pendingTimeout", template.pending_timeout)):
        yield from _duration(text, f"{path}.{name}")


def _duration(text: str, path: str) -> Iterator[Doubt]:
    from bireme.lang import goduration

    if text and "{{" not in text:
        yield from _failing(lambda: goduration.parse(text), path, "Write 90, 1m30s or 2h.")


def _retries(retry: RetryStrategy, path: str) -> Iterator[Doubt]:
    if not is_int_or_variable(retry.limit):
        message = f"limit '{retry.limit}' is not a number"
        yield f"{path}.limit", message, "Write a whole number."
    yield from _expression(retry.expression, f"{path}.expression")
    if retry.backoff is not None:
        for name, text in (
            ("duration", retry.backoff.duration),
            ("maxDuration", retry.backoff.max_duration),
            ("cap", retry.backoff.cap),
        ):
            yield from _duration(text, f"{path}.backoff.{name}")


def _expression(text: str, path: str) -> Iterator[Doubt]:
    from bireme.lang import expr

    if text and "{{" not in text:
        yield from _failing(
            lambda: expr.compile(text), path, "See the expression language's rules."
        )


def _failing(act: Callable[[], Any], path: str, advice: str) -> Iterator[Doubt]:
    try:
        act()
    except UserError as error:
        yield path, str(error).replace("\n", " "), advice
