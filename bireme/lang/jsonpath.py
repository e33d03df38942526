"""JSONPath over plain JSON values, with the answers of the library that Argo uses."""

import json
from functools import lru_cache
from typing import Any

from bireme.lang.errors import LangError


def find(data: Any, path: str) -> Any:
    """What the path selects: the value itself for a path to one place, a list otherwise.

    `data` may be JSON text. Raises LangError when the path does not parse, or names one place that is not there.
    """
    if isinstance(data, str | bytes):
        try:
            data = json.loads(data)
        except ValueError as error:
            raise LangError(f"jsonpath: the text is not JSON: {error}") from error
    compiled = _compiled(path)
    try:
        matches = [match.obj for match in compiled.finditer(_sorted(data))]
    except Exception as error:
        raise LangError(f"jsonpath: {path}: {error}") from error
    if not compiled.singular_query():
        return matches
    if not matches:
        raise LangError(f"jsonpath: {path}: key not found")
    return matches[0]


@lru_cache(maxsize=512)
def _compiled(path: str) -> Any:
    import jsonpath

    try:
        return jsonpath.compile(path)
    except Exception as error:
        raise LangError(f"jsonpath: {path}: {error}") from error


def _sorted(value: Any) -> Any:
    """Maps in the order of their keys, as the original walks them."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
