"""From a Sensor manifest to what the evaluator runs. Pure; what is wrong stays with its own trigger or dependency.

A dependency whose filter cannot be compiled answers every event with that error; a trigger whose condition cannot be
compiled is listed in `Sensor.broken`. Both become `error` decisions, so that nothing is dead in silence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec

from bireme.kit import ids
from bireme.kit.errors import BiremeError, UserError
from bireme.lang import conditions, cron
from events.ports import DEFAULT_BUS
from sensors import combine, compile_gathering, retry
from sensors import transform as transforms
from sensors.errors import BadSensor
from sensors.model import (
    ONCE,
    Dependency,
    Place,
    RateLimit,
    Reset,
    Retry,
    Sensor,
    TriggerRule,
    Verdict,
)
from sensors.registry import filters
from sensors.view import View

Json = dict[str, Any]
Lines = Callable[[str], int]

_ORDER = ("exprs", "data", "context", "time", "script")
_OPERATORS = {"exprs": "exprLogicalOperator", "data": "dataLogicalOperator"}
_NOT_KINDS = frozenset(_OPERATORS.values())
_SECONDS = {"": 1, "Second": 1, "Minute": 60, "Hour": 3600}
_NOT_TRIGGERS = frozenset(
    {"name", "conditions", "conditionsReset", "join", "coalesce", "concurrency", "breaker"}
)


def sensor(raw: Mapping[str, Any], line: Lines = lambda path: 0) -> Sensor:
    """Compile a Sensor given as plain JSON values. `line` tells where in its file a path like `spec.triggers[0]` is."""
    metadata, spec = raw.get("metadata") or {}, raw.get("spec") or {}
    definitions = {item["name"]: item for item in spec.get("dependencies") or ()}
    digests = {name: ids.digest(_text(item)) for name, item in definitions.items()}
    rules = [
        _rule(item, index, digests, line) for index, item in enumerate(spec.get("triggers") or ())
    ]
    namespace, name = metadata.get("namespace") or "default", metadata["name"]
    return Sensor(
        namespace=namespace,
        name=name,
        uid=metadata.get("uid") or f"{namespace}/{name}",
        routes=_routes(spec.get("dependencies") or (), rules, line),
        triggers={rule.name: rule for rule in rules},
        line=line,
        broken=tuple(rule for rule in rules if rule.broken),
    )


def subscriptions(raw: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The (event source, event) pairs a sensor listens to; cheap, compiles nothing."""
    items = (raw.get("spec") or {}).get("dependencies") or ()
    return {(item.get("eventSourceName", ""), item.get("eventName", "")) for item in items}


def bus(raw: Mapping[str, Any]) -> str:
    """The EventBus whose events a sensor sees, empty for the one named default."""
    name = (raw.get("spec") or {}).get("eventBusName") or DEFAULT_BUS
    return "" if name == DEFAULT_BUS else str(name)


def has_slots(raw: Mapping[str, Any]) -> bool:
    """True if a trigger of the sensor limits its concurrency; cheap, compiles nothing."""
    items = (raw.get("spec") or {}).get("triggers") or ()
    templates = (item.get("template") for item in items if isinstance(item, dict))
    return any(isinstance(given, dict) and given.get("concurrency") for given in templates)


def _routes(
    items: Any, rules: list[TriggerRule], line: Lines
) -> dict[tuple[str, str], tuple[Dependency, ...]]:
    last = {item["name"]: index for index, item in enumerate(items)}
    routes: dict[tuple[str, str], tuple[Dependency, ...]] = {}
    for index, item in enumerate(items):
        name = item["name"]
        users = tuple(rule for rule in rules if name in rule.names and not rule.broken)
        if last[name] != index or not users:
            continue
        key = (item["eventSourceName"], item["eventName"])
        dependency = _dependency(item, index, users, line)
        routes[key] = (*routes.get(key, ()), dependency)
    return routes


def _dependency(item: Json, index: int, users: tuple[TriggerRule, ...], line: Lines) -> Dependency:
    return Dependency(
        name=item["name"],
        source=item["eventSourceName"],
        subject=item["eventName"],
        transform=transform(item),
        judge=judge(item),
        place=_places(item["name"], f"spec.dependencies[{index}]", line),
        triggers=users,
    )


def _places(dependency: str, root: str, line: Lines) -> Callable[[str], Place]:
    """Where a path below a dependency is; the same few are asked for again and again."""
    own = line(root)

    @lru_cache(maxsize=64)
    def place(path: str) -> Place:
        whole = f"{root}.{path}"
        return Place("", dependency, whole, line(whole) or own)

    return place


def transform(item: Json) -> transforms.Seen:
    """How one dependency sees an event; what cannot be compiled is its own error for every event."""
    try:
        config = msgspec.convert(item.get("transform") or {}, transforms.Config)
    except msgspec.ValidationError as problem:
        return _refusing(BadSensor(f"transform error ({problem})", "transform"))
    return transforms.transform(config)


def _refusing(error: BadSensor) -> transforms.Seen:
    def refuse(view: View) -> View:
        raise error

    return refuse


def judge(item: Json) -> combine.Judge:
    """The filters of one dependency as one function; a filter that cannot be compiled becomes its own error."""
    settings = item.get("filters")
    if settings is None:
        return combine.every(())
    try:
        judges = [_filter(kind, settings) for kind in _kinds(settings)]
    except (UserError, msgspec.ValidationError) as error:
        return _always(BadSensor(f"filters: {error}"))
    if item.get("filtersLogicalOperator") == "or":
        return combine.some(judges)
    return combine.every(judges)


def _kinds(settings: Json) -> list[str]:
    """Configured kinds in upstream's order of evaluation, others' plugins last."""
    given = [
        key for key, value in settings.items() if value not in (None, "") and key not in _NOT_KINDS
    ]
    return sorted(given, key=lambda kind: _ORDER.index(kind) if kind in _ORDER else len(_ORDER))


def _filter(kind: str, settings: Json) -> combine.Judge:
    operator = settings.get(_OPERATORS.get(kind, "")) or "and"
    verdict: combine.Judge = filters[kind](settings[kind], operator).verdict
    return verdict


def _always(error: BadSensor) -> combine.Judge:
    verdict = Verdict(False, str(error), str(error), error.path)
    return lambda view: verdict


def _rule(item: Json, index: int, digests: dict[str, str], line: Lines) -> TriggerRule:
    template = item.get("template") or {}
    text = template.get("conditions") or ""
    path = f"spec.triggers[{index}]"
    where = f"{path}.template.conditions" if text else path
    condition = _condition(text, digests)
    broken = condition.broken
    more: Json = {}
    try:
        again, rate, resets = _retry(item), _rate(item), _resets(template)
        _check_dead_letters(item)
        more = compile_gathering.rules(template, text, condition.names)
    except BadSensor as error:
        again, rate, resets, broken = ONCE, None, (), broken or str(error)
    return TriggerRule(
        name=template.get("name") or f"trigger-{index}",
        index=index,
        kind=kind_of(template),
        definition=item,
        condition=text or " && ".join(digests),
        names=condition.names,
        definitions={name: digests[name] for name in condition.names},
        satisfied=condition.satisfied,
        is_stateful=condition.is_stateful,
        retry=again,
        rate=rate,
        resets=resets,
        path=where,
        line=line(where),
        broken=broken,
        is_plain=not (condition.is_stateful or rate or any(more.values())),
        **more,
    )


def kind_of(template: Mapping[str, Any]) -> str:
    """The trigger kind a template sets; the first in the order of the manifest, empty when there is none."""
    given = (key for key, value in template.items() if value is not None)
    return next((key for key in given if key not in _NOT_TRIGGERS), "")


def dead_letter(rule: TriggerRule) -> TriggerRule | None:
    """A trigger's dlqTrigger as a rule: it acts on the same events, with its own kind and retries."""
    definition = rule.definition.get("dlqTrigger")
    if not definition:
        return None
    template = definition.get("template") or {}
    return replace(
        rule,
        name=template.get("name") or f"{rule.name}-dlq",
        kind=kind_of(template),
        definition=definition,
        retry=_retry(definition),
        rate=None,
        join=None,
        coalesce=None,
        concurrency=None,
        breaker=None,
    )


def acting_as(sensor: Sensor, trigger: str) -> TriggerRule | None:
    """The rule that acts under that name: a trigger, or the dlqTrigger of one."""
    for rule in sensor.triggers.values():
        wanted: TriggerRule | None = rule
        while wanted is not None and wanted.name != trigger:
            wanted = dead_letter(wanted)
        if wanted is not None:
            return wanted
    return None


@dataclass(frozen=True, slots=True)
class _Condition:
    """A trigger's condition, or why it can never hold."""

    names: tuple[str, ...]
    satisfied: Callable[[frozenset[str]], bool]
    is_stateful: bool
    broken: str = ""


def _condition(text: str, digests: dict[str, str]) -> _Condition:
    if not digests:
        return _never("the sensor has no dependencies")
    try:
        found = conditions.compile(text, tuple(digests))
    except BiremeError as error:
        return _never(f"condition '{text}': {error}")
    if not found.names:
        return _never(f"condition '{text}' names no dependency")
    return _Condition(found.names, found.evaluate, found.requires_and)


def _never(why: str) -> _Condition:
    return _Condition((), lambda received: False, False, why)


def _retry(item: Json) -> Retry:
    given = item.get("retryStrategy")
    return ONCE if given is None else retry.from_manifest(given)


def _check_dead_letters(item: Json) -> None:
    """Raises BadSensor when the retryStrategy of a dlqTrigger cannot be read."""
    while item := item.get("dlqTrigger") or {}:
        _retry(item)


def _rate(item: Json) -> RateLimit | None:
    given = item.get("rateLimit")
    if not given:
        return None
    count, unit = given.get("requestsPerUnit") or 0, given.get("unit") or ""
    if count <= 0 or unit not in _SECONDS:
        raise BadSensor("rateLimit needs requestsPerUnit above 0 and unit Second, Minute or Hour")
    return RateLimit(_SECONDS[unit] / count)


def _resets(template: Json) -> tuple[Reset, ...]:
    times = [item.get("byTime") or {} for item in template.get("conditionsReset") or ()]
    return tuple(_reset(time.get("cron") or "", time.get("timezone") or "") for time in times)


def _reset(spec: str, timezone: str) -> Reset:
    try:
        cron.validate(spec)
        cron.zone_named(timezone)
    except BiremeError as error:
        raise BadSensor(f"conditionsReset: {error}") from error
    if len(spec.split()) != 5:
        raise BadSensor(f"conditionsReset: '{spec}' needs exactly five fields")
    return Reset(spec, timezone)


def _text(item: Json) -> str:
    return msgspec.json.encode(item, order="deterministic").decode()
