"""What is wrong with the parameters of triggers: dependencies there are not, templates and paths that do not parse."""

from collections.abc import Iterator
from typing import Any

import msgspec

from bireme.kit.errors import UserError
from bireme.manifests.events import ParameterSource, Trigger, TriggerParameter
from bireme.manifests.lint_filters import Finding
from bireme.manifests.names import closest

_LISTS = ("parameters", "payload", "dynamicHeaders")


def findings(trigger: Trigger, names: tuple[str, ...], path: str) -> Iterator[Finding]:
    """Of the trigger's own parameters and those of its action. `names` are the sensor's dependencies."""
    for place, source in _sources(trigger, path):
        name = source.dependency_name
        if name and name not in names:
            message = f"dependency '{name}' is not declared"
            yield Finding(f"{place}.src.dependencyName", message, closest(name, names))
        yield from _templates(source, f"{place}.src")
        if source.data_key:
            yield from _key(source.data_key, f"{place}.src.dataKey")


def _key(path: str, place: str) -> Iterator[Finding]:
    from bireme.lang import gjson_check

    if message := gjson_check.doubt(path):
        yield Finding(place, message)


def _templates(source: ParameterSource, path: str) -> Iterator[Finding]:
    from bireme.lang import gotemplate

    for field, text in (
        ("dataTemplate", source.data_template),
        ("contextTemplate", source.context_template),
    ):
        try:
            gotemplate.check(text)
        except UserError as error:
            message = f"does not parse: {str(error).splitlines()[0]}"
            advice = "The parameter would fail for every event."
            yield Finding(f"{path}.{field}", message, advice, severity="error")


def _sources(trigger: Trigger, path: str) -> Iterator[tuple[str, ParameterSource]]:
    yield from _typed(trigger.parameters, f"{path}.parameters")
    for kind, body in (trigger.template.bodies if trigger.template else {}).items():
        for field in _LISTS:
            yield from _typed(_parameters(body.get(field)), f"{path}.template.{kind}.{field}")


def _parameters(items: Any) -> list[TriggerParameter]:
    try:
        return msgspec.convert(items or [], list[TriggerParameter])
    except msgspec.ValidationError:
        return []  # validation has said so


def _typed(parameters: list[TriggerParameter], path: str) -> Iterator[tuple[str, ParameterSource]]:
    for index, parameter in enumerate(parameters):
        if parameter.src is not None:
            yield f"{path}[{index}]", parameter.src
