"""Steps templates: groups in order, each step seeing what the groups before it offer."""

import msgspec

from bireme.manifests.resolve import Base
from bireme.manifests.scope import Names, add_items, add_outputs
from bireme.manifests.template import Template, WorkflowStep
from bireme.manifests.validate_arguments import check_arguments
from bireme.manifests.validate_leaf import check_not_leaf
from bireme.manifests.validate_names import Invalid, field_name_fault
from bireme.manifests.walk import Walk


def check(walk: Walk, template: Template, home: Base, scope: Names) -> None:
    """Every group of a steps template. Raises Invalid."""
    check_not_leaf(template)
    known: set[str] = set()
    for index, group in enumerate(template.steps or ()):
        where = f"templates.{template.name}.steps[{index}]"
        called = [_step(walk, step, home, scope, where, known) for step in group]
        try:
            walk.check_tags(msgspec.json.encode(group).decode(), scope)
        except Invalid as error:
            raise Invalid(f"templates.{template.name}.steps {error}") from None
        for step, found in zip(group, called, strict=True):
            aggregate = bool(step.with_items or step.with_param)
            add_outputs(scope, walk.globals, found, f"steps.{step.name}", aggregate=aggregate)
            try:
                walk.call(step, home, step.arguments)
            except Invalid as error:
                raise Invalid(f"{where}.{step.name} {error}") from None


def _step(
    walk: Walk, step: WorkflowStep, home: Base, scope: Names, where: str, known: set[str]
) -> Template | None:
    """One step by itself; returns the template it calls."""
    _check_name(step.name, where, known)
    scope[f"steps.{step.name}.status"] = ""
    try:
        add_items(scope, step.with_items, step.with_param, step.with_sequence)
    except Invalid as error:
        raise Invalid(f"{where}.{step.name} {error}") from None
    check_arguments(f"{where}.{step.name}.arguments.", step.arguments, may_be_empty=False)
    check_hooks(step, f"{where}.{step.name}")
    try:
        found = walk.call(step, home, None)
    except Invalid as error:
        raise Invalid(f"{where}.{step.name} {error}") from None
    if step.on_exit or step.hooks:
        add_outputs(scope, walk.globals, found, f"steps.{step.name}", aggregate=False)
    return found


def _check_name(name: str, where: str, known: set[str]) -> None:
    if not name:
        raise Invalid(f"{where}.name is required")
    if name in known:
        raise Invalid(f"{where}.name '{name}' is not unique")
    if fault := field_name_fault(name):
        raise Invalid(f"{where}.name '{name}' is invalid: {fault}")
    known.add(name)


def check_hooks(step: WorkflowStep, where: str) -> None:
    """Every hook but `exit` says when."""
    for name, hook in step.hooks.items():
        if name != "exit" and not hook.expression:
            raise Invalid(f"{where}.{name} Expression required")
