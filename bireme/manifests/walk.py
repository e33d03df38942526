"""Validation as symbolic execution: templates are entered with placeholders for arguments, then with real ones."""

from collections import ChainMap
from dataclasses import dataclass, field

import msgspec

from bireme.manifests.artifacts import Artifact
from bireme.manifests.parameters import Arguments, Inputs, Parameter
from bireme.manifests.resolve import Base, Holder, Library
from bireme.manifests.scope import Names, Placeholders, check_tags, substitute
from bireme.manifests.template import TYPES, Template, WorkflowStep
from bireme.manifests.validate_arguments import (
    check_artifact_path,
    check_location,
    check_output_names,
    check_outputs,
    has_location_or_key,
)
from bireme.manifests.validate_leaf import check_leaf
from bireme.manifests.validate_metrics import check_metrics
from bireme.manifests.validate_names import Invalid, check_names
from bireme.manifests.validate_pod import check_pod_settings
from bireme.manifests.values import as_int

_POLICIES = frozenset(("", "Always", "OnFailure", "OnError", "OnTransientError"))
_RETRY_NAMES = (
    "retries",
    "lastRetry.exitCode",
    "lastRetry.status",
    "lastRetry.duration",
    "lastRetry.message",
)


@dataclass(slots=True)
class Walk:
    """One validation: what is in scope everywhere, and which templates were entered already."""

    library: Library
    globals: Names
    placeholders: Placeholders
    is_stored: bool = False  # a stored template: workflow parameters may come from whoever uses it
    entered: set[tuple[str, str]] = field(default_factory=set)
    inlines: list[Template] = field(default_factory=list)  # keeps them alive, as their ids are keys

    def call(self, holder: Holder, base: Base, arguments: Arguments | None) -> Template | None:
        """Check a template as called with these arguments; None stands for arguments that fit. Raises Invalid."""
        found = self.library.find(holder, base)
        if found is None:
            return None
        template, home = found
        if not template.type:
            raise Invalid(f"template '{template.name}' type is unknown")
        policy = template.retry_strategy.retry_policy if template.retry_strategy else ""
        if policy not in _POLICIES:
            raise Invalid(f"{policy} is not a valid RetryPolicy")
        self._check(template, home, arguments, is_inline=template is holder.inline)
        return template

    def names(self, *own: Names) -> "ChainMap[str, str]":
        """What is in scope: the given names, then the workflow's."""
        return ChainMap(*own, self.globals)

    def check_tags(self, text: str, *own: Names) -> None:
        check_tags(text, self.names(*own), lenient=self.is_stored)

    def _check(
        self, template: Template, home: Base, arguments: Arguments | None, *, is_inline: bool
    ) -> None:
        key = (home.scope, f"#{id(template)}" if is_inline else template.name)
        is_new = key not in self.entered
        if is_new:
            check_type(template)
            scope = input_names(template)
            check_pod_settings(template)
        elif arguments is None and not template.timeout:
            return
        given = self._given(template, arguments)
        if not is_new and not template.timeout:
            return
        filled = self._fill(given)
        if filled.steps == []:  # as Argo: written as JSON in between, an empty list is no list
            filled = msgspec.structs.replace(filled, steps=None)
        check_timeouts(filled)
        if not is_new:
            return
        self.entered.add(key)
        if is_inline:
            self.inlines.append(template)
        scope.update(self._local_names(template))
        self._body(filled, home, scope)
        self._outputs(filled, scope)
        check_metrics(filled)

    def _body(self, template: Template, home: Base, scope: Names) -> None:
        from bireme.manifests import (
            validate_dag,
            validate_steps,
        )  # these come back here for each call

        if template.type == "Steps":
            validate_steps.check(self, template, home, scope)
        elif template.type == "DAG":
            validate_dag.check(self, template, home, scope)
        else:
            text = msgspec.json.encode(template).decode()
            try:
                self.check_tags(text, scope)
            except Invalid as error:
                raise Invalid(f"templates.{template.name}: {error}") from None
            check_leaf(template, home)

    def _outputs(self, template: Template, scope: Names) -> None:
        check_output_names(template)
        try:
            self.check_tags(msgspec.json.encode(template.outputs).decode(), scope)
        except Invalid as error:
            raise Invalid(f"templates.{template.name}.outputs {error}") from None
        check_outputs(template)
        if template.archive_location is not None:
            check_location(f"templates.{template.name}.archiveLocation", template.archive_location)

    def _local_names(self, template: Template) -> Names:
        names: Names = {}
        if template.is_pod:
            names["pod.name"] = self.placeholders.next()
        if template.retry_strategy is not None:
            names.update(dict.fromkeys(_RETRY_NAMES, self.placeholders.next()))
        if template.is_leaf:
            for artifact in template.outputs.artifacts:
                if artifact.path:
                    names[f"outputs.artifacts.{artifact.name}.path"] = artifact.path
            for parameter in template.outputs.parameters:
                if parameter.value_from is not None and parameter.value_from.path:
                    names[f"outputs.parameters.{parameter.name}.path"] = parameter.value_from.path
        return names

    def _given(self, template: Template, arguments: Arguments | None) -> Template:
        """The template whose inputs are what it is called with. Raises Invalid for one that is missing."""
        inputs = template.inputs
        try:
            filled = Inputs(
                parameters=[self._parameter(each, arguments) for each in inputs.parameters],
                artifacts=[_artifact(each, arguments) for each in inputs.artifacts],
            )
        except Invalid as error:
            raise Invalid(f"templates.{template.name} {error}") from None
        return msgspec.structs.replace(template, inputs=filled)

    def _parameter(self, wanted: Parameter, arguments: Arguments | None) -> Parameter:
        if arguments is None:
            unknown = self.placeholders.next()
            return msgspec.structs.replace(wanted, value=unknown, value_from=None)
        given = next((p for p in arguments.parameters if p.name == wanted.name), None)
        value, source = wanted.value, wanted.value_from
        if given is not None:
            value, source = given.value, given.value_from
        elif value is None:
            value = wanted.default
        if value is None and (source is None or source.config_map_key_ref is None):
            raise Invalid(f"inputs.parameters.{wanted.name} was not supplied")
        source = source if value is None else None
        return msgspec.structs.replace(wanted, value=value, value_from=source)

    def _fill(self, template: Template) -> Template:
        """The template with globals and inputs put in, as far as they are known."""
        text = msgspec.json.encode(template).decode()
        if "{{" not in text:
            return template
        local = self._local_names(template)
        local.pop("retries", None)  # unknown until run time, and may stand where a number is wanted
        known = ChainMap(local, {name: value for name, value in self.globals.items() if value})
        try:
            text = substitute(text, known)
            inputs = _values(_decoded(text).inputs, self.placeholders)
            return _decoded(substitute(text, ChainMap(inputs, known)))
        except (Invalid, msgspec.DecodeError) as error:
            raise Invalid(f"templates.{template.name} {error}") from None


def _decoded(text: str) -> Template:
    return msgspec.json.decode(text, type=Template)


def _values(inputs: Inputs, placeholders: Placeholders) -> Names:
    """What stands for each input; what a config map holds is known only at run time."""
    values = {
        f"inputs.parameters.{parameter.name}": (
            parameter.value if parameter.value is not None else placeholders.next()
        )
        for parameter in inputs.parameters
    }
    paths = {
        f"inputs.artifacts.{artifact.name}.path": artifact.path
        for artifact in inputs.artifacts
        if artifact.path
    }
    return values | paths


def _artifact(wanted: Artifact, arguments: Arguments | None) -> Artifact:
    """The artifact a template gets, at the path where it wants it."""
    given: Artifact | None = Artifact(name=wanted.name)
    if arguments is not None:
        given = next((a for a in arguments.artifacts if a.name == wanted.name), None)
    if given is not None:
        return msgspec.structs.replace(
            given, path=wanted.path, mode=wanted.mode, recurse_mode=wanted.recurse_mode
        )
    if wanted.optional or has_location_or_key(wanted):
        return wanted
    raise Invalid(f"inputs.artifacts.{wanted.name} was not supplied")


def check_type(template: Template) -> None:
    """Exactly one body."""
    if sum(getattr(template, field) is not None for field in TYPES) > 1:
        raise Invalid(
            f"templates.{template.name} multiple template types specified. choose one of: container, containerSet,"
            " steps, script, resource, dag, suspend, template, template ref"
        )


def input_names(template: Template) -> Names:
    """The names that inputs bring into scope. Raises Invalid for inputs that are ill-formed."""
    prefix = f"templates.{template.name}"
    for family, members in (
        ("parameters", [parameter.name for parameter in template.inputs.parameters]),
        ("artifacts", [artifact.name for artifact in template.inputs.artifacts]),
    ):
        try:
            check_names(members, parameters=True)
        except Invalid as error:
            raise Invalid(f"{prefix}.inputs.{family}{error}") from None
    scope = {f"inputs.parameters.{parameter.name}": "" for parameter in template.inputs.parameters}
    scope["inputs.parameters"] = ""
    for artifact in template.inputs.artifacts:
        name = f"inputs.artifacts.{artifact.name}"
        where = f"{prefix}.{name}"
        scope[name] = ""
        if template.is_leaf:
            check_artifact_path(artifact, where)
            scope[f"{name}.path"] = artifact.path
        elif artifact.path:
            raise Invalid(f"{where}.path only valid in container/script templates")
        if artifact.from_:
            raise Invalid(f"{where}.from not valid in inputs")
        check_location(where, artifact)
    return scope


def inline_inputs(step: WorkflowStep) -> Names:
    """The names that an inline body's own inputs bring into the text of its step."""
    inputs = step.inline.inputs.parameters if step.inline is not None else ()
    return {f"inputs.parameters.{parameter.name}": "" for parameter in inputs}


def check_timeouts(template: Template) -> None:
    """Only leaves have timeouts, and a bare number is refused (though a run would read it as seconds)."""
    for name, value in (
        ("timeout", template.timeout),
        ("pendingTimeout", template.pending_timeout),
    ):
        if not value:
            continue
        if not template.is_leaf:
            raise Invalid(f"{template.type or 'Unknown'} template doesn't support {name} field")
        if as_int(value) is not None:
            raise Invalid(f"{template.name} has invalid duration format in {name}")
