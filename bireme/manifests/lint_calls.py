"""Doubts about calls: loops that may start any number of pods, arguments that nobody takes."""

import json
from collections.abc import Iterator, Mapping

from bireme.manifests.base import IntOrString
from bireme.manifests.doubts import Doubt, steps_of
from bireme.manifests.template import Sequence, Template, WorkflowStep
from bireme.manifests.workflow import WorkflowSpec

MANY = 100
"""From how many items on a loop without parallelism is worth a word."""


def call_doubts(spec: WorkflowSpec) -> Iterator[Doubt]:
    by_name = {template.name: template for template in spec.templates}
    defaults = spec.template_defaults
    limited = bool(spec.parallelism or (defaults and defaults.parallelism))
    for index, template in enumerate(spec.templates):
        for place, step in steps_of(template):
            path = f"templates[{index}].{place}"
            if not limited and not template.parallelism:
                yield from _fan(step, path)
            yield from _arguments(step, by_name, path)


def _fan(step: WorkflowStep, path: str) -> Iterator[Doubt]:
    field, size = _size(step)
    if field:
        message = f"'{step.name}' starts {size} at once: nothing limits the fan-out"
        advice = "Set parallelism on this template or on the workflow."
        yield f"{path}.{field}", message, advice


def _size(step: WorkflowStep) -> tuple[str, str]:
    """The field that loops and how often, in words; empty for what is no loop or a small one."""
    if len(step.with_items or ()) > MANY:
        return "withItems", f"{len(step.with_items or ())} items"
    if step.with_param:
        if "{{" in step.with_param:
            return "withParam", "any number of items"
        return _of_list(step.with_param)
    if step.with_sequence is not None:
        return _of_sequence(step.with_sequence)
    return "", ""


def _of_list(text: str) -> tuple[str, str]:
    try:
        count = len(json.loads(text))
    except (ValueError, TypeError):
        return "", ""
    return ("withParam", f"{count} items") if count > MANY else ("", "")


def _of_sequence(sequence: Sequence) -> tuple[str, str]:
    ends = [_number(value) for value in (sequence.count, sequence.start, sequence.end)]
    count, start, end = ends
    size = abs((end or 0) - (start or 0)) + 1 if sequence.end is not None else count or 0
    if any("{{" in str(value) for value in (sequence.count, sequence.start, sequence.end)):
        return "withSequence", "any number of items"
    return ("withSequence", f"{size} items") if size > MANY else ("", "")


def _number(value: IntOrString | None) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _arguments(step: WorkflowStep, by_name: Mapping[str, Template], path: str) -> Iterator[Doubt]:
    called = by_name.get(step.template) if step.template_ref is None else None
    if called is None:
        return
    taken = {parameter.name for parameter in called.inputs.parameters}
    for index, parameter in enumerate(step.arguments.parameters):
        if parameter.name not in taken:
            message = f"template '{called.name}' has no input parameter '{parameter.name}'"
            advice = "Declare it under inputs.parameters, or remove the argument."
            yield f"{path}.arguments.parameters[{index}]", message, advice
