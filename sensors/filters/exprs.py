"""The `exprs` filter: an expression over fields of the payload is true.

    filters:
      exprs:
        - expr: action == "opened" && size > 10
          fields: [{name: action, path: body.action}, {name: size, path: body.size}]

A missing path is an error; an expression without fields is skipped; what is not a boolean is not true.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from bireme.lang import govaluate
from bireme.lang.errors import LangError
from sensors.combine import entries
from sensors.model import Check, Verdict
from sensors.registry import filters
from sensors.view import View

_SHOWN = 200


class Field(msgspec.Struct, frozen=True):
    """Argo's PayloadField."""

    path: str
    name: str


class Config(msgspec.Struct, frozen=True):
    """Argo's ExprFilter."""

    expr: str
    fields: list[Field] | None = None


@filters.register("exprs")
class ExprsFilter:
    """Passes events for which the expressions hold."""

    def __init__(self, config: Any, operator: str) -> None:
        given = msgspec.convert(config, list[Config], strict=False)
        self.entries = tuple(
            (f"exprs[{index}]", item) for index, item in enumerate(given) if item.fields
        )
        self.operator = operator

    def verdict(self, view: View) -> Verdict:
        if view.is_empty:
            return Verdict(True)
        if not view.is_json:
            text = "expr filter error (event data not valid JSON)"
            return Verdict(False, text, text, "exprs")
        return entries("expr", self.operator, self._checks(view))

    def _checks(self, view: View) -> Iterator[Check]:
        for place, config in self.entries:
            yield _check(place, config, view)


def _check(place: str, config: Config, view: View) -> Check:
    found: dict[str, Any] = {}
    for field in config.fields or ():
        value = view.find(field.path)
        if not value.exists:
            error = f"path '{field.path}' does not exist"
            return Check(place, False, field.path, "", config.expr, error)
        found[field.name] = value.value
    saw = ", ".join(f"{name}={govaluate.show(value)}" for name, value in found.items())
    names = ", ".join(found)
    try:
        passed = govaluate.compile(config.expr)(found) is True
    except LangError as error:
        return Check(place, False, names, saw[:_SHOWN], config.expr, str(error))
    return Check(place, passed, names, saw[:_SHOWN], config.expr)
