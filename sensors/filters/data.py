"""The `data` filter: a field of the payload compared with values.

    filters:
      data:
        - {path: body.action, type: string, value: [opened, reopened]}
        - {path: body.size, type: number, comparator: ">=", value: ["10"]}

`value` is any-of, also for `!=`. Strings are regular expressions searched anywhere in the text. A missing path is an
error, whatever the comparator.
"""

import operator as compare
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from bireme.lang import gotemplate, regex
from bireme.lang.errors import LangError
from sensors import combine, scalars
from sensors.errors import BadSensor
from sensors.model import Check, Verdict
from sensors.registry import filters
from sensors.view import View

Test = Callable[[scalars.Datum], bool]

_SHOWN = 200


class Config(msgspec.Struct, frozen=True):
    """Argo's DataFilter."""

    path: str = ""
    type: str = ""
    value: list[str] | None = None
    comparator: str = ""
    template: str = ""


@filters.register("data")
class DataFilter:
    """Passes events whose payload compares as wanted."""

    def __init__(self, config: Any, operator: str) -> None:
        given = msgspec.convert(config, list[Config], strict=False)
        self.entries = tuple(_Entry(f"data[{index}]", item) for index, item in enumerate(given))
        self.operator = operator

    def verdict(self, view: View) -> Verdict:
        if not self.entries or not view.event.data:
            return combine.PASS
        if not view.is_json:
            text = "data filter error (event data not valid JSON)"
            return Verdict(False, text, text, "data")
        if len(self.entries) == 1:
            return combine.entry("data", self.operator, self.entries[0].check(view))
        return combine.entries("data", self.operator, self._checks(view))

    def _checks(self, view: View) -> Iterator[Check]:
        for entry in self.entries:
            yield entry.check(view)


class _Entry:
    """One comparison, its values parsed when first needed: upstream complains only about values it reaches."""

    def __init__(self, place: str, config: Config) -> None:
        self.place = place
        self.config = config
        self.path = config.path
        self.values = config.value or []
        self.wanted = f"{config.type} {config.comparator or '='} {' or '.join(self.values)}"
        self.tests: list[Test] = []

    def check(self, view: View) -> Check:
        saw = ""
        try:
            found = self._found(view)
            saw = found.text[:_SHOWN]
            passed = self._any(found)
        except (BadSensor, LangError) as error:
            return Check(self.place, False, self.path, saw, self.wanted, str(error))
        return Check(self.place, passed, self.path, saw, self.wanted)

    def _found(self, view: View) -> scalars.Datum:
        found = view.find(self.path) if self.path else None
        if found is None or not found.exists:
            raise BadSensor(f"path '{self.path}' does not exist")
        if not self.values:
            raise BadSensor("no values specified")
        template = self.config.template
        return scalars.Text(_render(template, found.text)) if template else found

    def _any(self, found: scalars.Datum) -> bool:
        for test in self.tests:
            if test(found):
                return True
        for value in self.values[len(self.tests) :]:
            self.tests.append(test := _test(self.config, value))
            if test(found):
                return True
        return False


def _render(template: str, text: str) -> str:
    """A template over the datum's text. Raises BadSensor when nothing comes out."""
    output = gotemplate.render(template, {"Input": text})
    if output in ("", "<no value>"):
        raise BadSensor(f"template evaluated to empty string or no value: {template}")
    return output


def _test(config: Config, value: str) -> Test:
    make = {"bool": _bool, "number": _number, "string": _string}.get(config.type)
    if make is None:
        raise BadSensor(f"unsupported JSON type '{config.type}'")
    return make(config.comparator, value)


def _bool(comparator: str, value: str) -> Test:
    wanted = scalars.parse_bool(value)
    return lambda found: scalars.as_bool(found) == wanted


_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "": compare.eq, "=": compare.eq, "!=": compare.ne,
    ">": compare.gt, ">=": compare.ge, "<": compare.lt, "<=": compare.le,
}  # fmt: skip


def _number(comparator: str, value: str) -> Test:
    wanted = scalars.parse_float(value)
    holds = _NUMBERS.get(comparator)
    if holds is None:
        return _never
    return lambda found: holds(scalars.as_float(found), wanted)


def _string(comparator: str, value: str) -> Test:
    matches = regex.searcher(value)
    plain = regex.literal(value)
    if comparator in ("", "=") and plain is not None:
        return lambda found: plain in found.text
    if comparator in ("", "="):
        return lambda found: matches(found.text)
    if comparator == "!=":
        return lambda found: not matches(found.text)
    return _never


def _never(found: scalars.Datum) -> bool:
    return False
