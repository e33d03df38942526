"""From Argo's text of a fault to the field it speaks of, so that a line can be named."""

import re
from typing import Any

from bireme.manifests.yaml import join

_TEMPLATE = re.compile(r"templates\.([a-zA-Z0-9][-a-zA-Z0-9]*)")
_STEP = re.compile(r"[. ]?([-a-zA-Z0-9_]+)|\[(\d+)\]")
_TAG = re.compile(r"failed to resolve (\{\{.*?\}\})")
_UNDEFINED = re.compile(r"(?:template name '|template reference )([^' ]+)")


def locate(message: str, spec: dict[str, Any], root: str = "spec") -> str:
    """The path of the field a message is about, as near as the text allows."""
    start, value, path = _start(message, spec, root)
    value, path = _follow(message[start:], value, path)
    tag = _TAG.search(message)
    if tag is not None:
        return _containing(value, tag[1], path) or path
    undefined = _UNDEFINED.search(message)
    if undefined and isinstance(value, dict):
        return _calling(value, undefined[1], path)
    return path


def _calling(value: dict[str, Any], name: str, path: str) -> str:
    """The field that calls a template: of a step or task, or of the spec, which calls two by name."""
    key = next((key for key in ("templateRef", "template") if key in value), "")
    key = key or next((key for key in ("entrypoint", "onExit") if value.get(key) == name), "")
    return join(path, key) if key else path


def _start(message: str, spec: dict[str, Any], root: str) -> tuple[int, Any, str]:
    """Where in the text the path begins, and the value it begins at: the innermost template of this very object."""
    templates = spec.get("templates") or []
    names = {template.get("name"): index for index, template in enumerate(templates)}
    for match in reversed(list(_TEMPLATE.finditer(message))):
        index = names.get(match[1])
        if index is not None:
            return match.end(), templates[index], f"{root}.templates[{index}]"
    start = len("spec") if message.startswith("spec.") else 0
    return start, spec, root


def _follow(text: str, value: Any, path: str) -> tuple[Any, str]:
    """As far down as the words of the text are names or indexes of what is there."""
    position = 0
    while match := _STEP.match(text, position):
        found = _member(value, match[1], match[2])
        if found is None:
            break
        value, steps = found
        for step in steps:
            path = join(path, step)
        position = match.end()
    return value, path


def _member(value: Any, name: str | None, index: str | None) -> tuple[Any, list[str | int]] | None:
    if index is not None:
        at = int(index)
        return (value[at], [at]) if isinstance(value, list) and at < len(value) else None
    if isinstance(value, list):
        return _named(value, name or "")
    if not isinstance(value, dict) or name is None:
        return None
    if name in value:
        return value[name], [name]
    for between in ("dag", "parameters", "artifacts"):
        deeper = _member(value[between], name, None) if between in value else None
        if deeper is not None:
            return deeper[0], [between, *deeper[1]]
    return None


def _named(items: list[Any], name: str) -> tuple[Any, list[str | int]] | None:
    for index, item in enumerate(items):
        if isinstance(item, dict) and item.get("name") == name:
            return item, [index]
    return None


def _containing(value: Any, text: str, path: str) -> str:
    """The path of the first string with that text in it; "" when there is none."""
    if isinstance(value, str):
        return path if text in value else ""
    members: Any = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    return next(
        (found for key, item in members if (found := _containing(item, text, join(path, key)))), ""
    )
