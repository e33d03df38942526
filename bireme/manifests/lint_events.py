"""Doubts about a sensor: what would never fire, never match, or refer to nothing."""

import difflib
from collections.abc import Iterable, Iterator

from bireme.kit.errors import Problem, UserError
from bireme.manifests.events import (
    DataFilter,
    Dependency,
    EventSource,
    ParameterSource,
    Sensor,
    Trigger,
    TriggerParameter,
)

Doubt = tuple[str, str, str]  # path, message, advice

_TYPES = ("bool", "number", "string")
_TRUTHS = frozenset(
    ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
)


def event_doubts(sensor: Sensor, sources: list[EventSource]) -> Iterator[Problem]:
    """Warnings, placed by line. `sources` are the event sources of the same set of files."""
    for path, message, advice in _all(sensor, sources):
        yield Problem(
            message=message,
            object=sensor.title,
            file=sensor.file,
            line=sensor.line(path),
            path=path,
            advice=advice,
            severity="warning",
        )


def _all(sensor: Sensor, sources: list[EventSource]) -> Iterator[Doubt]:
    names = tuple(dependency.name for dependency in sensor.spec.dependencies)
    for index, dependency in enumerate(sensor.spec.dependencies):
        path = f"spec.dependencies[{index}]"
        if dependency.name in names[:index]:
            message = f"dependency '{dependency.name}' is declared twice; the last one counts"
            yield f"{path}.name", message, "Choose another name."
        yield from _reference(dependency, sources, path)
        for at, data in enumerate(dependency.filters.data if dependency.filters else ()):
            yield from _data_filter(data, f"{path}.filters.data[{at}]")
    for index, trigger in enumerate(sensor.spec.triggers):
        yield from _trigger(trigger, names, f"spec.triggers[{index}]")
    yield from _never_asked(sensor, names)


def _reference(dependency: Dependency, sources: list[EventSource], path: str) -> Iterator[Doubt]:
    """Only asked when the files hold event sources at all: others may be applied already."""
    if not sources or any(char in dependency.event_source_name for char in "*?["):
        return
    events = {
        event
        for source in sources
        if source.metadata.name == dependency.event_source_name
        for section in source.spec.sources.values()
        for event in section
    }
    if not any(source.metadata.name == dependency.event_source_name for source in sources):
        known = [source.metadata.name for source in sources]
        message = f"no event source '{dependency.event_source_name}' in these files"
        yield f"{path}.eventSourceName", message, _closest(dependency.event_source_name, known)
    elif dependency.event_name not in events and "*" not in dependency.event_name:
        message = (
            f"event source '{dependency.event_source_name}' has no event '{dependency.event_name}'"
        )
        yield f"{path}.eventName", message, _closest(dependency.event_name, sorted(events))


def _closest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"There is: {', '.join(known) or 'none'}."


def _data_filter(data: DataFilter, path: str) -> Iterator[Doubt]:
    if data.type and data.type not in _TYPES:
        yield f"{path}.type", f"no value has type '{data.type}'", "Write bool, number or string."
    for index, value in enumerate(data.value):
        if data.type == "number" and not _is_number(value):
            message = f"'{value}' is not a number, so the filter fails for every event"
            yield f"{path}.value[{index}]", message, "Write a number, or type: string."
        if data.type == "bool" and value not in _TRUTHS:
            message = f"'{value}' is neither true nor false, so the filter fails for every event"
            yield f"{path}.value[{index}]", message, "Write true or false."


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text == text.strip()


def _trigger(trigger: Trigger, names: tuple[str, ...], path: str) -> Iterator[Doubt]:
    template = trigger.template
    if template is not None:
        yield from _conditions(template.conditions, names, f"{path}.template.conditions")
        kinds = list(template.bodies)
        if not kinds:
            message, advice = (
                "the trigger does nothing",
                "Add an action such as argoWorkflow or http.",
            )
            yield f"{path}.template", message, advice
        elif len(kinds) > 1:
            message = f"the trigger has several actions ({', '.join(kinds)}); only one runs"
            yield f"{path}.template", message, "Make a trigger of each."
    if trigger.rate_limit is not None and trigger.rate_limit.requests_per_unit <= 0:
        message = "requestsPerUnit has to be above zero"
        yield f"{path}.rateLimit", message, "Write how many per unit may fire."
    for place, source in _sources(trigger, path):
        if source.dependency_name and source.dependency_name not in names:
            message = f"dependency '{source.dependency_name}' is not declared"
            yield f"{place}.src.dependencyName", message, _closest(source.dependency_name, names)
    if trigger.dlq_trigger is not None:
        yield from _trigger(trigger.dlq_trigger, names, f"{path}.dlqTrigger")


def _conditions(text: str, names: tuple[str, ...], path: str) -> Iterator[Doubt]:
    from bireme.lang import conditions  # loaded for those who write conditions

    if not text:
        return
    try:
        conditions.compile(text, names)
    except UserError as error:
        message = str(error).splitlines()[0]
        yield path, message, "Join names of dependencies by && and ||."


def _sources(trigger: Trigger, path: str) -> Iterator[tuple[str, ParameterSource]]:
    yield from _typed_sources(trigger.parameters, f"{path}.parameters")
    for kind, body in (trigger.template.bodies if trigger.template else {}).items():
        for field in ("parameters", "payload"):
            items = body.get(field)
            for index, item in enumerate(items if isinstance(items, list) else ()):
                source = item.get("src") if isinstance(item, dict) else None
                name = source.get("dependencyName") if isinstance(source, dict) else None
                if isinstance(name, str):
                    place = f"{path}.template.{kind}.{field}[{index}]"
                    yield place, ParameterSource(dependency_name=name)


def _typed_sources(
    parameters: list[TriggerParameter], path: str
) -> Iterator[tuple[str, ParameterSource]]:
    for index, parameter in enumerate(parameters):
        if parameter.src is not None:
            yield f"{path}[{index}]", parameter.src


def _never_asked(sensor: Sensor, names: tuple[str, ...]) -> Iterator[Doubt]:
    """Dependencies that no trigger's conditions name."""
    from bireme.lang import conditions

    asked: set[str] = set()
    for trigger in sensor.spec.triggers:
        try:
            text = trigger.template.conditions if trigger.template else ""
            asked |= set(conditions.compile(text, names).names)
        except UserError:
            return  # said already
    for index, name in enumerate(names):
        if name and name not in asked:
            message = f"no trigger waits for dependency '{name}'"
            yield f"spec.dependencies[{index}]", message, "Name it in a trigger's conditions."
