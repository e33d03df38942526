"""From plain values to typed specs, with every fault named by its path rather than the first one only."""

import difflib
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, Union

import msgspec

from bireme.manifests.yaml import join

T = TypeVar("T")


class Fault(NamedTuple):
    """One thing wrong at one path."""

    path: str
    message: str
    found: str = ""
    expected: str = ""
    advice: str = ""
    severity: Literal["error", "warning"] = "error"


def convert(value: Any, to: type[T], path: str = "") -> tuple[T | None, list[Fault]]:
    """The typed value, or None and everything that is wrong with it."""
    try:
        return msgspec.convert(value, to), []
    except msgspec.ValidationError as error:
        faults = list(_faults(value, to, path))
        return None, faults or [Fault(path, str(error))]


def _faults(value: Any, to: Any, path: str) -> Iterator[Fault]:
    wanted = _plain(to)
    origin = typing.get_origin(wanted)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) and isinstance(value, dict):
        yield from _struct(value, wanted, path)
    elif origin in (list, tuple) and isinstance(value, list):
        inner = typing.get_args(wanted)[0]
        for index, item in enumerate(value):
            yield from _faults(item, inner, f"{path}[{index}]")
    elif origin is dict and isinstance(value, dict):
        for key, member in value.items():
            yield from _faults(member, typing.get_args(wanted)[1], join(path, key))
    else:
        yield from _leaf(value, to, path)


def _plain(to: Any) -> Any:
    """`X` for `X | None`; other unions stay."""
    if typing.get_origin(to) in (Union, types.UnionType):
        some = [arm for arm in typing.get_args(to) if arm is not type(None)]
        return some[0] if len(some) == 1 else to
    return to


def _struct(value: dict[str, Any], to: type[msgspec.Struct], path: str) -> Iterator[Fault]:
    fields = field_types(to)
    for key, member in value.items():
        if key in fields:
            yield from _faults(member, fields[key], join(path, key))
        else:
            kinds = getattr(to, "plugin_kinds", ())
            yield unknown_field(join(path, key), key, (*fields, *kinds))


def unknown_field(path: str, name: str, known: typing.Iterable[str]) -> Fault:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    advice = f"did you mean {close[0]}?" if close else "Remove it, or check its indentation."
    return Fault(path, f"unknown field '{name}'", found=name, advice=advice)


def _leaf(value: Any, to: Any, path: str) -> Iterator[Fault]:
    try:
        msgspec.convert(value, to)
    except msgspec.ValidationError:
        expected, found = _expected(to), _found(value)
        wants_text = expected == "a string" and isinstance(value, bool | int | float)
        advice = "Put it in quotes." if wants_text else ""
        yield Fault(path, f"expected {expected}, found {found}", found, expected, advice)


@cache
def field_types(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Name as written -> type."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(struct)}


_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    tuple: "a list",
}


def _expected(to: Any) -> str:
    wanted = _plain(to)
    if typing.get_origin(wanted) in (Union, types.UnionType):
        arms = [arm for arm in typing.get_args(wanted) if arm is not type(None)]
        return " or ".join(_expected(arm) for arm in arms)
    return _NAMES.get(typing.get_origin(wanted) or wanted, "an object")


def _found(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"
