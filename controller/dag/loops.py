"""Loops: what `withItems`, `withParam` and `withSequence` expand to, and how results are gathered again."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bireme.lang.errors import LangError
from controller.dag.model import Json
from controller.dag.variables import text_of

_VERB = re.compile(r"%[-+ #0]*\d*[dxXob]")

_BEGINNINGS = frozenset('{["-0123456789tfn')

MOST_ITEMS = 250_000
"""Every item is a node from the start: a million would fill the memory and stop every other workflow meanwhile."""


class BadLoop(LangError):
    """The loop cannot be expanded, or what its rounds left cannot be gathered; the message is Argo's."""


@dataclass(slots=True, frozen=True)
class Item:
    """One round: the text that goes into the child's name, and the variables it sees."""

    label: str
    variables: dict[str, str | None]


def is_loop(body: Json) -> bool:
    """Whether it has rounds. An empty `withItems` is none at all, as Argo has it: the step runs once."""
    looped = body.get("withItems") or body.get("withParam")
    return bool(looped) or body.get("withSequence") is not None


def expand(body: Json) -> Iterator[Item]:
    """The items of a resolved step or task, one at a time. Raises BadLoop at once when there can be none."""
    if body.get("withSequence") is not None:
        return (Item(text, {"item": text}) for text in sequence(body["withSequence"]))
    values = _values(body)
    _check_size("withItems" if body.get("withItems") else "withParam", len(values))
    return (item_of(value) for value in values)


def _check_size(field: str, count: int) -> None:
    if count > MOST_ITEMS:
        raise BadLoop(
            f"{field} has {count} items; a loop may have {MOST_ITEMS}: split it over several steps,"
            " or hand each step a part of the work"
        )


def _values(body: Json) -> list[Any]:
    if body.get("withItems"):
        return list(body["withItems"])
    text = body["withParam"]
    try:
        found = json.loads(text, parse_float=Number, parse_int=Number)
    except (ValueError, RecursionError) as error:
        raise BadLoop(
            f"withParam value could not be parsed as a JSON list: {text.strip()}: {_reason(text, error)}"
        ) from error
    if not isinstance(found, list):
        raise BadLoop(f"withParam value could not be parsed as a JSON list: {text}: it is no list")
    return found


class Number(str):
    """A JSON number spelled as it was written."""

    __slots__ = ()


def item_of(value: Any) -> Item:
    """The round for one item: maps also give `item.<key>`."""
    if isinstance(value, dict):
        parts = {key: scalar_text(entry) for key, entry in value.items()}
        label = ",".join(f"{key}:{parts[key]}" for key in sorted(parts))
        return Item(label, {"item": json_text(value), **{f"item.{k}": v for k, v in parts.items()}})
    if isinstance(value, list):
        return Item(f"[{' '.join(scalar_text(v) for v in value)}]", {"item": json_text(value)})
    text = scalar_text(value)
    return Item("[]" if value is None else _label(text), {"item": text})


def _label(text: str) -> str:
    """The text as it stands in a node's name: on one line, quotes escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return json.dumps(text, ensure_ascii=False)[1:-1]


def scalar_text(value: Any) -> str:
    """A value as loops print it: strings as they are, the rest as JSON in its own spelling."""
    if isinstance(value, str):
        return str(value)
    return json_text(value, escape=False)


def json_text(value: Any, *, escape: bool = True) -> str:
    """Compact JSON with sorted keys, numbers in their own spelling."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        inner = ",".join(
            f"{json_text(k, escape=escape)}:{json_text(value[k], escape=escape)}"
            for k in sorted(value)
        )
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{','.join(json_text(v, escape=escape) for v in value)}]"
    if escape:
        return text_of(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sequence(spec: Json) -> Iterator[str]:
    """The texts of a withSequence. Raises BadLoop."""
    start, end = bounds(spec)
    form = spec.get("format") or "%d"
    if end is None:
        return iter(())
    _check_size("withSequence", abs(end - start) + 1)
    numbers = range(start, end + 1) if start <= end else range(start, end - 1, -1)
    return (formatted(form, number) for number in numbers)


def bounds(spec: Json) -> tuple[int, int | None]:
    """First and last number of the sequence; no last one when it is empty."""
    start = _number(spec["start"]) if spec.get("start") not in (None, "") else 0
    if spec.get("end") not in (None, ""):
        return start, _number(spec["end"])
    if spec.get("count") in (None, ""):
        raise BadLoop("must have either end or count in withSequence")
    count = _number(spec["count"])
    return start, (start + count - 1 if count > 0 else None)


def _number(text: Any) -> int:
    try:
        return int(str(text))
    except ValueError as error:
        raise BadLoop(f'strconv.Atoi: parsing "{text}": invalid syntax') from error


def formatted(form: str, number: int) -> str:
    """The number in a printf form with an integer verb."""
    if form == "%d":
        return str(number)
    return _VERB.sub(lambda verb: _printf(verb.group(), number), form).replace("%%", "%")


def _printf(verb: str, number: int) -> str:
    if verb.endswith("b"):
        return format(number, f"{verb[1:-1]}b")
    return verb % number


# --- gathering --------------------------------------------------------------------------------------------------


def gather_results(results: Sequence[str | None]) -> str:
    """The results of all rounds as a JSON list; each must be JSON itself. Raises BadLoop."""
    return "[" + ",".join(_canonical(text) for text in results if text is not None) + "]"


def _canonical(text: str) -> str:
    try:
        return json_text(json.loads(text, parse_float=Number, parse_int=Number))
    except (ValueError, RecursionError) as error:
        raise BadLoop(_reason(text, error)) from error


def _reason(text: str, error: Exception) -> str:
    """Why the text is no JSON: in Argo's words when it does not even begin like it."""
    begin = text.lstrip()[:1]
    if not begin:
        return "unexpected end of JSON input"
    if begin not in _BEGINNINGS:
        return f"invalid character '{begin}' looking for beginning of value"
    return str(error)


def gather_values(values: Sequence[str]) -> str:
    """One output parameter of all rounds: a JSON list of strings, or of the values when all are objects or lists."""
    if not values:
        return "null"
    parsed = [_container(value) for value in values]
    if all(value is not None for value in parsed):
        return json_text(parsed)
    return text_of(list(values))


def _container(text: str) -> Any | None:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, parse_float=Number, parse_int=Number)
    except (ValueError, RecursionError):
        return None
