"""Putting values into tags, with the passes Argo makes: a value may itself hold a tag, and is resolved once more."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from bireme.lang import tags

Variables = Mapping[str, str | None]
Strict = Collection[str] | Literal["all"]

SIBLINGS = ("steps", "tasks")
_PURE = re.compile(r"^\{\{\s*([^={}\s][^{}]*?)\s*\}\}$")


def resolve(
    template: tags.Template, scope: Variables, strict: Strict = (), now: datetime | None = None
) -> Any:
    """The template with its tags filled in; values that hold tags are filled in once more. `now` is for now()."""
    value = template.substitute(scope, strict=strict, now=now)
    if template.tags and has_tags(value):
        return tags.compile_tags(value).substitute(scope, strict=strict, now=now)
    return value


def fill(value: Any, scope: Variables) -> Any:
    """`resolve` for a value that is filled in once."""
    return resolve(tags.compile_tags(value), scope) if has_tags(value) else value


def has_tags(value: Any) -> bool:
    """Whether any string in the value, keys too, still opens a tag."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return "{{" in "".join(value) or any(map(has_tags, value.values()))
    return isinstance(value, list) and any(map(has_tags, value))


def text(value: str, scope: Variables) -> str:
    """One text with its tags filled in; what is unknown stays."""
    return tags.replace(value, scope) if "{{" in value else value


def pure_reference(text: Any) -> str:
    """`name` when the whole text is `{{name}}`, else an empty string."""
    found = _PURE.match(text) if isinstance(text, str) else None
    return found.group(1) if found else ""


def is_absent(text: Any, scope: Variables) -> bool:
    """Whether the whole text is a reference to an output that was never made (a skipped step without default)."""
    name = pure_reference(text)
    return bool(name) and name in scope and scope[name] is None
