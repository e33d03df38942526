"""What Argo adds to expressions, and how flat dotted names become the objects expressions look into."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from bireme.lang import gojson
from bireme.lang.errors import LangError
from bireme.lang.expr.builtins import to_float, to_int
from bireme.lang.expr.values import Library


class _Sprig(Library):
    """Sprig's functions; the library behind them is imported when the first one is asked for."""

    def __missing__(self, name: str) -> Callable[..., Any]:
        from bireme.lang import sprig

        function = sprig.functions().get(name)
        if function is None:
            raise KeyError(name)
        self[name] = function
        return function

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except KeyError:
            return False
        return True


@cache
def functions() -> Mapping[str, Any]:
    """asInt, asFloat, toJson, jsonpath and the namespace sprig."""
    return {
        "asInt": to_int,
        "asFloat": to_float,
        "toJson": gojson.dumps,
        "jsonpath": _jsonpath,
        "sprig": _Sprig(),
    }


def _jsonpath(text: Any, path: Any) -> Any:
    from bireme.lang import jsonpath

    if not isinstance(text, str) or not isinstance(path, str):
        raise LangError("jsonpath takes a JSON text and a path")
    try:
        data = json.loads(text, parse_int=float)
    except ValueError as error:
        raise LangError(f"jsonpath: the text is not JSON: {error}") from None
    return jsonpath.find(data, path)


def of_json(text: bytes, what: str) -> dict[str, Any]:
    """The members of a JSON object as names, every number a float, as upstream. Raises LangError, which says `what`."""
    try:
        members = json.loads(text, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise LangError(f"the {what} is not JSON: {error}") from error
    if not isinstance(members, dict):
        raise LangError(f"the {what} is not a JSON object, so that it has no names")
    return members


def expand_dotted(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`. A name that is also the beginning of others (`a` beside `a.b`) is dropped."""
    parents: set[str] = set()
    for key in flat:
        while (dot := key.rfind(".")) >= 0:
            key = key[:dot]
            if key in parents:
                break
            parents.add(key)
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        if key not in parents:
            _put(nested, key, value)
    return nested


def _put(nested: dict[str, Any], key: str, value: Any) -> None:
    if "." not in key:
        nested[key] = value
        return
    *outer, last = key.split(".")
    for name in outer:
        nested = nested.setdefault(name, {})
    nested[last] = value
