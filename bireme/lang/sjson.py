"""sjson: putting a value at a path in a decoded JSON document. Nothing given is changed; a new document comes out."""

import re
from functools import lru_cache
from typing import Any, Final

from bireme.lang import gjson, gojson
from bireme.lang import gjson_path as paths
from bireme.lang.errors import LangError

MAX_INDEX: Final = 100_000
MAX_DEPTH: Final = 200
Key = str | int
_MISSING: Final = object()
_PART = re.compile(r"((?:\\.|[^.\\])*\\?)\.", re.DOTALL)
_COMPLEX = re.compile(r"(?<!\\)(?:\\\\)*[*?#@|]")


def set(document: Any, path: str, value: Any) -> Any:
    """The document with `value` at `path`. Missing objects and lists are made; `-1` appends to a list.

    A path with wildcards or queries names the first place it finds; when there is none, nothing changes.
    Raises LangError for an empty path and for a list that is given a name.
    """
    if not path:
        raise LangError("path cannot be empty")
    plain = _plain(path)
    if plain is not None:
        return _put(document, plain, value)
    found = _locate(document, path)
    return document if found is None else _put(document, found, value)


def delete(document: Any, path: str) -> Any:
    """The document without what is at `path`; the same document when there is nothing. Raises LangError."""
    if not path:
        raise LangError("path cannot be empty")
    if _COMPLEX.search(path):
        raise LangError("cannot delete value from a complex path")
    return _drop(document, _parts(path))


@lru_cache(maxsize=1024)
def _plain(path: str) -> list[Key] | None:
    """The parts of a path without wildcards and queries, which is asked for again and again; never changed."""
    return None if _COMPLEX.search(path) else _parts(path)


def _parts(path: str) -> list[Key]:
    """Names and indexes. A leading `:` makes a number a name. Raises LangError for a path nobody means."""
    if path.count(".") > MAX_DEPTH:
        raise LangError(f"the path has more than {MAX_DEPTH} parts")
    parts: list[Key] = []
    for raw in _PART.findall(f"{path}."):
        plain = re.sub(r"\\(.)", r"\1", raw)
        if raw.startswith(":"):
            parts.append(plain[1:])
        elif raw == "-1" or (raw.isascii() and raw.isdigit()):
            parts.append(int(raw))
        else:
            parts.append(plain)
    return parts


def _put(document: Any, parts: list[Key], value: Any) -> Any:
    """In place of a scalar a number makes a list; `-1` makes one where nothing was, and is else a name."""
    if not parts:
        return value
    head, rest = parts[0], parts[1:]
    if isinstance(document, list):
        return _put_in_list(document, head, rest, value)
    if isinstance(document, dict):
        return document | {str(head): _put(document.get(str(head), _MISSING), rest, value)}
    if head == "" or (isinstance(head, int) and (head >= 0 or document is _MISSING)):
        return _put_in_list([], head, rest, value)
    return {str(head): _put(_MISSING, rest, value)}


def _put_in_list(items: list[Any], head: Key, rest: list[Key], value: Any) -> list[Any]:
    """An empty name appends, as -1 does."""
    at = -1 if head == "" else head
    if isinstance(at, str):
        raise LangError(f"cannot set array element for non-numeric key '{head}'")
    index = len(items) if at < 0 else at
    if index > len(items) + MAX_INDEX:
        raise LangError(f"index {index} lies too far behind the end of the list")
    made = items + [None] * (index + 1 - len(items))
    made[index] = _put(items[index] if index < len(items) else _MISSING, rest, value)
    return made


def _index(head: Key) -> int | None:
    if isinstance(head, int):
        return head
    return int(head) if head.isascii() and head.isdigit() else None


def _drop(document: Any, parts: list[Key]) -> Any:
    head, rest = parts[0], parts[1:]
    if isinstance(document, dict) and str(head) in document:
        if rest:
            return document | {str(head): _drop(document[str(head)], rest)}
        return {key: value for key, value in document.items() if key != str(head)}
    at = _index(head)
    if isinstance(document, list) and at is not None and document:
        index = len(document) - 1 if at < 0 else at
        if index < len(document):
            kept = [_drop(document[index], rest)] if rest else []
            return document[:index] + kept + document[index + 1 :]
    return document


def _locate(document: Any, path: str) -> list[Key] | None:
    """The concrete place of the first value a complex path leads to; None when there is none or it has no place."""
    if isinstance(document, dict):
        return _locate_in_object(document, path)
    return _locate_in_list(document, path) if isinstance(document, list) else None


def _locate_in_object(document: dict[str, Any], path: str) -> list[Key] | None:
    step = paths.object_step(path)
    if step.piped:
        return None
    for key in document:
        if gjson.matches(key, step.part) if step.wild else key == step.part:
            found = _deeper(document[key], key, step)
            if found is not None:
                return found
    return None


def _deeper(value: Any, key: Key, step: paths.Step) -> list[Key] | None:
    if not step.more:
        return [key]
    inner = _locate(value, step.rest)
    return None if inner is None else [key, *inner]


def _locate_in_list(document: list[Any], path: str) -> list[Key] | None:
    step = paths.array_step(path)
    if isinstance(step, paths.Query):
        return _locate_by_query(document, step)
    if step.piped:
        return None
    if step.part == "#" and step.more:
        places = (_deeper(item, index, step) for index, item in enumerate(document))
        return next(filter(None, places), None)
    if step.part.isdigit() and int(step.part) < len(document):
        return _deeper(document[int(step.part)], int(step.part), step)
    return None


def _locate_by_query(document: list[Any], query: paths.Query) -> list[Key] | None:
    if query.step.piped:
        return None
    for index, item in enumerate(document):
        if gjson.holds(gojson.dumps(item, html=False), query):
            return _deeper(item, index, query.step)
    return None
