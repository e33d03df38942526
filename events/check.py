"""What can be said about an EventSource before it runs: does each config fit, would its source take it, does its filter
parse.

Called with the `spec` as plain JSON values; opens nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from bireme.kit.errors import MissingExtra, UserError
from events import blocks, fields
from events.filtering import PayloadFilter
from events.inlet import Configured
from events.ports import BadSourceConfig, Surroundings
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
        if fault := _refusal(one, config):
            yield path, fault
        else:
            yield from ((f"{path}.{name}", said) for name, said in blocks.faults(one.config))
        expression = getattr(getattr(config, "filter", None), "expression", None)
        if expression is not None:
            yield from _filter(expression, f"{path}.filter.expression")


def doubts(spec: Mapping[str, Any]) -> Iterator[Fault]:
    """What a source would take and do nothing about: said by kinds that have `doubts(config)`."""
    for one in _events(spec):
        if one.place.kind not in sources:
            continue
        said = getattr(sources[one.place.kind], "doubts", None)
        if said is None:
            continue
        path = f"spec.{one.place.kind}.{one.place.subject}"
        with suppress(UserError):  # a fault, which is told
            config = fields.decode(sources[one.place.kind].Config, one.config, path)
            yield from ((f"{path}.{field}", doubt) for field, doubt in said(config))


def _refusal(one: Configured, config: Any) -> str:
    """Why the source would not begin with this config, "" when it would, or when only a running engine can tell."""
    nobody: Any = _Nobody()
    around = Surroundings(one.place, nobody, nobody, nobody, nobody, nobody)
    try:
        sources[one.place.kind](config, around)
    except BadSourceConfig as error:
        return str(error)
    except (_NeedsEngine, MissingExtra):
        return ""
    return ""


class _NeedsEngine(Exception):
    """The source asked for what only a running engine has."""


class _Nobody:
    """Stands where an engine has its clock, its secrets and its servers."""

    def __getattr__(self, name: str) -> Any:
        raise _NeedsEngine(name)


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
