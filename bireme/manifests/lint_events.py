"""Doubts about a sensor: what would never fire, never match, or refer to nothing."""

from collections.abc import Iterator

from bireme.kit.errors import Problem, UserError
from bireme.lang.script import Scripts
from bireme.manifests import lint_calendar, lint_filters, lint_parameters
from bireme.manifests.events import Dependency, EventSource, Sensor, Trigger
from bireme.manifests.lint_filters import Finding
from bireme.manifests.names import closest


def event_doubts(
    sensor: Sensor, sources: list[EventSource], scripts: Scripts | None = None
) -> Iterator[Problem]:
    """Complaints, placed by line. `sources` are the event sources of the same set of files.

    What does not compile is an error, the rest are warnings. Without `scripts` jq and Lua are not looked at.
    """
    for found in _all(sensor, sources, scripts):
        yield Problem(
            message=found.message,
            object=sensor.title,
            file=sensor.file,
            line=sensor.line(found.path) + found.row,
            path=found.path,
            advice=found.advice,
            severity=found.severity,
        )


def _all(sensor: Sensor, sources: list[EventSource], scripts: Scripts | None) -> Iterator[Finding]:
    names = tuple(dependency.name for dependency in sensor.spec.dependencies)
    dead: dict[str, str] = {}
    for index, dependency in enumerate(sensor.spec.dependencies):
        path = f"spec.dependencies[{index}]"
        if dependency.name in names[:index]:
            message = f"dependency '{dependency.name}' is declared twice; the last one counts"
            yield Finding(f"{path}.name", message, "Choose another name.")
        found = [
            *_reference(dependency, sources, path),
            *lint_filters.findings(dependency, path, scripts),
            *lint_calendar.findings(dependency, sources, path),
        ]
        yield from found
        if any(finding.is_fatal for finding in found):
            dead[dependency.name] = path
    for index, trigger in enumerate(sensor.spec.triggers):
        yield from _trigger(trigger, names, f"spec.triggers[{index}]")
        yield from _out_of_reach(trigger, names, dead, f"spec.triggers[{index}]")
    yield from _never_asked(sensor, names)
    yield from _of_pods(sensor)


def _of_pods(sensor: Sensor) -> Iterator[Finding]:
    """What is said to the pod that Argo runs a sensor in; there is none here."""
    advice = "It is kept for Argo, and may stay."
    for field in sensor.spec.template or {}:
        message = f"'{field}' has no effect: a sensor is a part of the engine, not a pod"
        yield Finding(f"spec.template.{field}", message, advice)
    spec = sensor.spec
    given = (
        ("replicas", spec.replicas is not None),
        ("revisionHistoryLimit", spec.revision_history_limit is not None),
        ("loggingFields", spec.logging_fields),
        ("errorOnFailedRound", spec.error_on_failed_round),
    )
    for field, is_set in given:
        if is_set:
            message = f"'{field}' has no effect: a sensor is a part of the engine, not a deployment"
            yield Finding(f"spec.{field}", message, advice)


def _reference(dependency: Dependency, sources: list[EventSource], path: str) -> Iterator[Finding]:
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
        advice = closest(dependency.event_source_name, known)
        yield Finding(f"{path}.eventSourceName", message, advice)
    elif dependency.event_name not in events and "*" not in dependency.event_name:
        message = (
            f"event source '{dependency.event_source_name}' has no event '{dependency.event_name}'"
        )
        advice = closest(dependency.event_name, sorted(events))
        yield Finding(f"{path}.eventName", message, advice, True)


def _trigger(trigger: Trigger, names: tuple[str, ...], path: str) -> Iterator[Finding]:
    template = trigger.template
    if template is not None:
        yield from _conditions(template.conditions, names, f"{path}.template.conditions")
        kinds = list(template.bodies)
        if not kinds:
            advice = "Add an action such as argoWorkflow or http."
            yield Finding(f"{path}.template", "the trigger does nothing", advice)
        elif len(kinds) > 1:
            message = f"the trigger has several actions ({', '.join(kinds)}); only one runs"
            yield Finding(f"{path}.template", message, "Make a trigger of each.")
    if trigger.rate_limit is not None and trigger.rate_limit.requests_per_unit <= 0:
        message = "requestsPerUnit has to be above zero"
        yield Finding(f"{path}.rateLimit", message, "Write how many per unit may fire.")
    yield from lint_parameters.findings(trigger, names, path)
    if trigger.dlq_trigger is not None:
        yield from _trigger(trigger.dlq_trigger, names, f"{path}.dlqTrigger")
        yield from _dead_letter(trigger.dlq_trigger, f"{path}.dlqTrigger")


def _dead_letter(trigger: Trigger, path: str) -> Iterator[Finding]:
    """What a dlqTrigger has that only a trigger heeds."""
    template = trigger.template
    given: list[tuple[str, object]] = [("rateLimit", trigger.rate_limit)]
    if template is not None:
        given += [
            ("template.conditions", template.conditions),
            ("template.conditionsReset", template.conditions_reset),
            ("template.join", template.join),
            ("template.coalesce", template.coalesce),
            ("template.concurrency", template.concurrency),
            ("template.breaker", template.breaker),
        ]
    for field, value in given:
        if value:
            message = f"'{field}' has no effect in a dlqTrigger: it acts once for each dead firing"
            yield Finding(f"{path}.{field}", message, "Take it out.")


def _conditions(text: str, names: tuple[str, ...], path: str) -> Iterator[Finding]:
    from bireme.lang import conditions  # loaded for those who write conditions

    if not text:
        return
    try:
        conditions.compile(text, names)
    except UserError as error:
        advice = "Join names of dependencies by && and ||."
        yield Finding(path, str(error).splitlines()[0], advice, severity="error")


def _out_of_reach(
    trigger: Trigger, names: tuple[str, ...], dead: dict[str, str], path: str
) -> Iterator[Finding]:
    """A trigger whose condition needs a dependency that no event can pass."""
    from bireme.lang import conditions

    text = trigger.template.conditions if trigger.template else ""
    try:
        condition = conditions.compile(text, names)
    except UserError:
        return  # said already
    missing = [name for name in condition.names if name in dead]
    if missing and not condition.evaluate([name for name in names if name not in dead]):
        needed = " or ".join(f"'{name}'" for name in missing)
        place = f"{path}.template.conditions" if text else path
        name = trigger.template.name if trigger.template else ""
        message = f"trigger '{name}' never fires: no event passes dependency {needed}"
        yield Finding(place, message, f"See {dead[missing[0]]}.")


def _never_asked(sensor: Sensor, names: tuple[str, ...]) -> Iterator[Finding]:
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
            yield Finding(
                f"spec.dependencies[{index}]", message, "Name it in a trigger's conditions."
            )
