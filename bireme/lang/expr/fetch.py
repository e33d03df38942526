"""Reading a part of a value: dicts, lists, texts, and the few methods times have. Never a Python attribute."""

from typing import Any

from bireme.lang.errors import LangError
from bireme.lang.expr.times import methods
from bireme.lang.expr.values import Grouped, Library, go_type, is_int


def fetch_key(value: Any, key: str) -> Any:
    """`value.key`. A map without the key gives nil."""
    if isinstance(value, Grouped):
        return value.read(key)
    if isinstance(value, Library):
        return _of_library(value, key)
    if isinstance(value, dict):
        return value.get(key)
    method = methods(value).get(key)
    if method is not None:
        return lambda *args: method(value, *args)
    if isinstance(value, (list, str)):
        kind = "array elements" if isinstance(value, list) else "string"
        raise LangError(f'{kind} can only be selected using an integer (got "{key}")')
    raise LangError(f"cannot fetch {key} from {go_type(value)}")


def _of_library(library: Library, key: str) -> Any:
    try:
        return library[key]
    except KeyError:
        raise LangError(f"unknown function {key}") from None


def fetch(value: Any, key: Any) -> Any:
    """`value[key]`. Negative indexes count from the end."""
    if isinstance(key, str):
        return fetch_key(value, key)
    if isinstance(value, list):
        return _element(value, key)
    if isinstance(value, Grouped):
        return value.read(key)
    if isinstance(value, dict):
        if key is None:
            return None
        raise LangError(f"cannot use {go_type(key)} to get an element from {go_type(value)}")
    raise LangError(f"cannot fetch {key} from {go_type(value)}")


def _element(items: list[Any], key: Any) -> Any:
    if isinstance(key, float):
        key = int(key)
    if not is_int(key):
        raise LangError(
            f"array elements can only be selected using an integer (got {go_type(key)})"
        )
    index = key + len(items) if key < 0 else key
    if not 0 <= index < len(items):
        raise LangError(f"index out of range: {index} (array length is {len(items)})")
    return items[index]


def cut(value: Any, start: Any, stop: Any) -> Any:
    """`value[start:stop]`, both bounds moved inside; texts are cut by bytes, as Go does."""
    if value is None:
        raise LangError("cannot slice <nil>")
    if isinstance(value, str):
        raw = value.encode()
        first, last = _bounds(len(raw), start, stop)
        return raw[first:last].decode("utf-8", "replace")
    if isinstance(value, list):
        first, last = _bounds(len(value), start, stop)
        return value[first:last]
    raise LangError(f"cannot slice {go_type(value)}")


def _bounds(size: int, start: Any, stop: Any) -> tuple[int, int]:
    first, last = _bound(size, start), _bound(size, stop)
    return min(first, last), last


def _bound(size: int, bound: Any) -> int:
    if isinstance(bound, float):
        bound = int(bound)
    if not is_int(bound):
        raise LangError(f"a slice bound is {go_type(bound)}, not int")
    position = int(bound)
    return min(max(position + size if position < 0 else position, 0), size)
