"""What can be said about an EventSource before it runs: does each event's config fit, does its filter parse.

Called with the `spec` as plain JSON values; opens nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bireme.kit.errors import UserError
from events import fields
from events.filtering import PayloadFilter
from events.inlet import Configured
from events.registry import sources
from events.run import configured

Fault = tuple[str, str]  # path, message


def faults(spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything that would keep a configured event from running."""
    for one in _events(spec):
        path = f"spec.{one.place.kind}.{one.place.subject}"
        if one.place.kind not in sources:
            continue
        try:
            config = fields.decode(sources[one.place.kind].Config, one.config, path)
        except UserError as error:
            yield path, str(error).removeprefix(f"{path}: ")
            continue
        expression = getattr(getattr(config, "filter", None), "expression", None)
        if expression is not None:
            yield from _filter(expression, f"{path}.filter.expression")


def unknown(spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Kinds of sources that this engine does not have."""
    for kind in dict.fromkeys(one.place.kind for one in _events(spec)):
        if kind not in sources:
            yield f"spec.{kind}", f"this engine has no event source of the kind '{kind}'"


def _events(spec: Mapping[str, Any]) -> list[Configured]:
    try:
        return configured("", "", spec)
    except UserError:
        return []  # two of one name: validation says so


def _filter(expression: str, path: str) -> Iterator[Fault]:
    try:
        PayloadFilter(expression)
    except UserError as error:
        yield path, str(error).splitlines()[0]
