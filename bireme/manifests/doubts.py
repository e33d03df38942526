"""What every lint of workflows shares: a doubt and its place, and the walk over steps and texts."""

from collections.abc import Iterator
from typing import Any

from bireme.manifests.template import Template, WorkflowStep
from bireme.manifests.yaml import join

Doubt = tuple[str, str, str]  # path below the spec, message, advice


def steps_of(template: Template) -> Iterator[tuple[str, WorkflowStep]]:
    """(path below the template, step or task) of everything that calls a template."""
    for at, group in enumerate(template.steps or ()):
        for index, step in enumerate(group):
            yield f"steps[{at}][{index}]", step
    for index, task in enumerate(template.dag.tasks if template.dag else ()):
        yield f"dag.tasks[{index}]", task


def texts_in(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every string in plain JSON values, keys apart."""
    if isinstance(value, str):
        yield path, value
        return
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for key, member in members:
        yield from texts_in(member, join(path, key))
