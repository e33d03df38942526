"""Steps templates: one step after the other, each seeing what those written before it offer."""

import msgspec

from bireme.manifests.resolve import Base
from bireme.manifests.scope import Names, add_items, add_outputs
from bireme.manifests.template import Template, WorkflowStep
from bireme.manifests.validate_arguments import check_arguments
from bireme.manifests.validate_leaf import check_not_leaf
from bireme.manifests.validate_names import Invalid, field_name_fault
from bireme.manifests.walk import Walk, inline_inputs


def check(walk: Walk, template: Template, home: Base, scope: Names) -> None:
    """Every step of a steps template. Raises Invalid."""
    check_not_leaf(template)
    known: set[str] = set()
    for index, group in enumerate(template.steps or ()):
        where = f"templates.{template.name}.steps[{index}]"
        for step in group:
            _check_name(step.name, where, known)
            _Step(walk, step, home, f"{where}.{step.name}").check(template.name, scope)


class _Step:
    """One step: called with any arguments, then with its own."""

    def __init__(self, walk: Walk, step: WorkflowStep, home: Base, where: str) -> None:
        self.walk = walk
        self.step = step
        self.home = home
        self.where = where

    def check(self, template: str, scope: Names) -> None:
        step, offered = self.step, f"steps.{self.step.name}"
        scope[f"{offered}.status"] = ""
        try:
            add_items(scope, step.with_items, step.with_param, step.with_sequence)
        except Invalid as error:
            raise Invalid(f"{self.where} {error}") from None
        check_arguments(f"{self.where}.arguments.", step.arguments, may_be_empty=False)
        found = self._call(any_arguments=True)
        if step.on_exit or step.hooks:
            add_outputs(scope, self.walk.globals, found, offered, aggregate=False)
        check_hooks(step, self.where)
        try:
            text = msgspec.json.encode(step).decode()
            self.walk.check_tags(text, inline_inputs(step), scope)
        except Invalid as error:
            raise Invalid(f"templates.{template}.steps {error}") from None
        aggregate = bool(step.with_items or step.with_param or step.with_sequence)
        add_outputs(scope, self.walk.globals, found, offered, aggregate=aggregate)
        self._call()

    def _call(self, *, any_arguments: bool = False) -> Template | None:
        arguments = None if any_arguments else self.step.arguments
        try:
            return self.walk.call(self.step, self.home, arguments)
        except Invalid as error:
            raise Invalid(f"{self.where} {error}") from None


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
