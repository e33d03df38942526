"""From `join`, `coalesce`, `concurrency` and `breaker` in a trigger's template to their rules. Pure."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from bireme.kit import ids
from bireme.kit.errors import BiremeError
from bireme.lang import environment, expr, goduration
from bireme.manifests import events as manifests
from sensors.errors import BadSensor
from sensors.model import BreakerRule, CoalesceRule, ConcurrencyRule, JoinRule, KeyOf
from sensors.view import View

Json = dict[str, Any]
Reader = Callable[[View], str]
T = TypeVar("T")

LONGEST_KEY = 512
MOST_EVENTS = 1000
_FOREVER = float("inf")


def rules(template: Json, condition: str, names: tuple[str, ...]) -> Json:
    """The four rules as keyword arguments of a TriggerRule. Raises BadSensor, whose path is the field."""
    return {field: read() for field, read in _rules(template, condition, names).items()}


def faults(template: Json, condition: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """For each of the four rules that cannot work: the field below the template, and why."""
    for field, read in _rules(template, condition, names).items():
        try:
            read()
        except BadSensor as error:
            yield error.path or field, str(error)


def _rules(
    template: Json, condition: str, names: tuple[str, ...]
) -> dict[str, Callable[[], object]]:
    return {
        "join": lambda: _join(template.get("join"), condition, names),
        "coalesce": lambda: _coalesce(template.get("coalesce"), names),
        "concurrency": lambda: _concurrency(template.get("concurrency"), names),
        "breaker": lambda: _breaker(template.get("breaker")),
    }


def _join(given: Any, condition: str, names: tuple[str, ...]) -> JoinRule | None:
    if given is None:
        return None
    spec = _read(given, manifests.Join, "join")
    within = _seconds(spec.within, "join.within")
    if within is None:
        raise BadSensor("join.within is missing: say how long partners may be apart, as in 2h")
    digest = ids.digest(condition, msgspec.json.encode(given, order="deterministic").decode())
    return JoinRule(_key(spec.key, "join.key", names), within, spec.mode, spec.on_timeout, digest)


def _coalesce(given: Any, names: tuple[str, ...]) -> CoalesceRule | None:
    if given is None:
        return None
    spec = _read(given, manifests.Coalesce, "coalesce")
    quiet, longest = _seconds(spec.quiet, "coalesce.quiet"), _seconds(spec.max, "coalesce.max")
    if quiet is None and longest is None:
        raise BadSensor(
            "coalesce needs quiet or max: without a time the last events would wait for ever"
        )
    if not 1 <= spec.max_events <= MOST_EVENTS:
        raise BadSensor(
            f"coalesce.maxEvents is {spec.max_events}; it must be 1 to {MOST_EVENTS}",
            "coalesce.maxEvents",
        )
    return CoalesceRule(
        _key(spec.key, "coalesce.key", names),
        _FOREVER if quiet is None else quiet,
        _FOREVER if longest is None else longest,
        spec.max_events,
        spec.deliver,
    )


def _concurrency(given: Any, names: tuple[str, ...]) -> ConcurrencyRule | None:
    if given is None:
        return None
    spec = _read(given, manifests.Concurrency, "concurrency")
    if spec.limit < 1:
        raise BadSensor(
            f"concurrency.limit is {spec.limit}; it must be at least 1", "concurrency.limit"
        )
    return ConcurrencyRule(_key(spec.key, "concurrency.key", names), spec.limit, spec.on_conflict)


def _breaker(given: Any) -> BreakerRule | None:
    if given is None:
        return None
    spec = _read(given, manifests.Breaker, "breaker")
    per = _seconds(spec.per, "breaker.per")
    if spec.max < 1 or per is None:
        raise BadSensor("breaker needs max above 0 and per, as in {max: 100, per: 1m}")
    return BreakerRule(spec.max, per)


def _read(given: Any, kind: type[T], field: str) -> T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise BadSensor(f"{field}: {error}", field) from error


def _seconds(text: str, field: str) -> float | None:
    """None when it is not given."""
    if not text:
        return None
    try:
        length = goduration.parse(text).total_seconds()
    except BiremeError as error:
        raise BadSensor(f"{field}: {error}", field) from error
    if length <= 0:
        raise BadSensor(f"{field} is '{text}'; it must be longer than nothing", field)
    return length


def _key(given: str | dict[str, str], field: str, names: tuple[str, ...]) -> KeyOf:
    if isinstance(given, str):
        read = _reader(given, field)
        return lambda dependency, view: read(view)
    unknown = sorted(set(given) - set(names))
    missing = [name for name in names if name not in given]
    if unknown or missing:
        what = f"names unknown {', '.join(unknown)}" if unknown else f"lacks {', '.join(missing)}"
        raise BadSensor(f"{field} {what}; the trigger's dependencies: {', '.join(names)}", field)
    readers = {name: _reader(text, f"{field}.{name}") for name, text in given.items()}
    return lambda dependency, view: readers[dependency](view)


def _reader(text: str, field: str) -> Reader:
    text = text.strip()
    if not text:
        return lambda view: ""
    if not text.startswith("{{="):
        return lambda view: _at_path(view, text, field)
    if not text.endswith("}}"):
        raise BadSensor(f"{field}: the expression '{text}' does not end with }}}}", field)
    try:
        expression = expr.compile(text[3:-2].strip())
    except BiremeError as error:
        raise BadSensor(f"{field}: {error}", field) from error
    return lambda view: _by_expression(view, expression, field)


def _at_path(view: View, path: str, field: str) -> str:
    if not view.is_json:
        raise BadSensor(f"{field}: the event's data is not JSON", field)
    found = view.find(path)
    if not found.exists or found.type == "Null":
        raise BadSensor(f"{field}: the event has nothing at '{path}'", field)
    return _short(found.text, field)


def _by_expression(view: View, expression: expr.Expression, field: str) -> str:
    try:
        data = msgspec.json.decode(view.event.data) if view.event.data else {}
        env = {"data": data, **(data if isinstance(data, dict) else {})}
        value = expression.evaluate(env, environment.functions())
    except (BiremeError, msgspec.DecodeError) as error:
        raise BadSensor(f"{field}: {error}", field) from error
    if value is None:
        raise BadSensor(f"{field}: '{expression.text}' gives nothing for this event", field)
    return _short(value if isinstance(value, str) else msgspec.json.encode(value).decode(), field)


def _short(key: str, field: str) -> str:
    if len(key) > LONGEST_KEY:
        raise BadSensor(
            f"{field}: a key has at most {LONGEST_KEY} characters, this has {len(key)}", field
        )
    return key
