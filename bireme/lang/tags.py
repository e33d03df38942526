"""Template tags: `{{name}}` looked up, `{{=expression}}` evaluated. A value is compiled once and filled in many times.

Argo fills tags into the JSON text of an object. Here the object's strings are compiled one by one, with the same
outcome: the first `}}` ends a tag, a tag inside a tag is filled in first and leaves the outer one for the next pass.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from bireme.lang import gojson
from bireme.lang.errors import AbsentOptional, LangError, MissingVariable
from bireme.lang.expression_tags import evaluate_tag

Variables = Mapping[str, Any]
Strict = Collection[str] | Literal["all"]


class Scope(NamedTuple):
    """What one substitution carries along."""

    variables: Variables
    strict: Strict
    now: datetime | None


Fill = Callable[[Scope], Any]
_MISSING: Final = object()
# What Go's strconv.Quote writes in a form that JSON does not have.
_UNFIT = re.compile("[\x00-\x07\x0b\x0e-\x1f\x7f]")
_ESCAPED = re.compile('[\x00-\x1f"\\\\<>&]')


class Template:
    """A JSON-like value with tags. Parts without tags are shared by every result: do not change what comes out."""

    __slots__ = ("_fill", "_value", "tags")

    def __init__(self, value: Any) -> None:
        names: set[str] = set()
        self._value = value
        self._fill = _compile(value, names)
        self.tags: frozenset[str] = frozenset(names)

    def substitute(
        self, variables: Variables, *, strict: Strict = (), now: datetime | None = None
    ) -> Any:
        """The value with its tags filled in; what is not known stays as text.

        A missing name whose root is in `strict` (or any, with "all") raises MissingVariable; a name that is known to
        have no value (None) raises AbsentOptional. `now` is what now() answers in expressions.
        """
        if self._fill is None:
            return self._value
        return self._fill(Scope(variables, strict, now))


def compile_tags(value: Any) -> Template:
    """The template of a dict, list or scalar. Raises LangError for a text whose tag is never closed."""
    if isinstance(value, str) and _unclosed(value):
        raise _never_closed(value)
    return Template(value)


@lru_cache(maxsize=8192)
def _compiled_text(text: str) -> Template:
    return compile_tags(text)


def replace(
    text: str, variables: Variables, *, strict: Strict = (), now: datetime | None = None
) -> str:
    """One text with its tags filled in."""
    if "{{" not in text:
        return text
    return str(_compiled_text(text).substitute(variables, strict=strict, now=now))


def tags_in(text: str) -> list[str]:
    """What stands between the braces of each tag, in order. Raises LangError when the last one is never closed."""
    if _unclosed(text):
        raise _never_closed(text)
    found = []
    at = 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        found.append(text[start + 2 : end])
        at = end + 2
    return found


def _unclosed(text: str) -> bool:
    last = text.rfind("{{")
    return last >= 0 and text.find("}}", last + 2) < 0 and not _inside_closed(text, last)


def _inside_closed(text: str, last: int) -> bool:
    """Whether scanning from the left consumes the opening braces at `last` as part of an earlier tag."""
    at = 0
    while 0 <= (start := text.find("{{", at)) < last:
        end = text.find("}}", start + 2)
        if end < 0:
            return False
        at = end + 2
    return start != last


def _never_closed(text: str) -> LangError:
    quoted = gojson.quote(gojson.quote(text))
    start = gojson.quote(gojson.quote(text[text.rfind("{{") + 2 :])[1:])
    return LangError(f'Cannot find end tag="}}}}" in the template={quoted} starting from {start}')


def _compile(value: Any, names: set[str]) -> Fill | None:
    """How to fill the value in; None when there is nothing to fill."""
    if isinstance(value, str):
        return _compile_text(value, names) if "{{" in value else None
    if isinstance(value, dict):
        return _compile_dict(value, names)
    if isinstance(value, (list, tuple)):
        return _compile_list(value, names)
    return None


def _compile_dict(value: dict[str, Any], names: set[str]) -> Fill | None:
    keys = {key: fill for key in value if (fill := _compile(key, names))}
    fills = [(key, fill) for key, item in value.items() if (fill := _compile(item, names))]
    if not fills and not keys:
        return None

    def run(scope: Scope) -> dict[str, Any]:
        made = value.copy()
        for key, fill in fills:
            made[key] = fill(scope)
        if keys:
            return {keys[key](scope) if key in keys else key: made[key] for key in made}
        return made

    return run


def _compile_list(value: Any, names: set[str]) -> Fill | None:
    fills = [(i, fill) for i, item in enumerate(value) if (fill := _compile(item, names))]
    if not fills:
        return None

    def run(scope: Scope) -> list[Any]:
        made = list(value)
        for index, fill in fills:
            made[index] = fill(scope)
        return made

    return run


def _compile_text(text: str, names: set[str]) -> Fill | None:
    parts: list[str | Fill] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        end = text.find("}}", start + 2)
        if end < 0:
            break
        if start > at:
            parts.append(text[at:start])
        parts.append(_compile_tag(text[start + 2 : end], names))
        at = end + 2
    if not parts:
        return None
    if at < len(text):
        parts.append(text[at:])
    return _joined(parts)


def _joined(parts: list[str | Fill]) -> Fill:
    first = parts[0]
    if len(parts) == 1 and not isinstance(first, str):
        return first

    def run(scope: Scope) -> str:
        return "".join([part if type(part) is str else part(scope) for part in parts])  # type: ignore[operator]

    return run


def _compile_tag(tag: str, names: set[str]) -> Fill:
    if tag.startswith("="):
        return lambda scope: evaluate_tag(tag[1:], *scope)
    written = gojson.quote(tag)[1:-1] if _ESCAPED.search(tag) else tag
    name = written.strip(" ")
    names.add(name)
    outer, opening, inner = written.rpartition("{{")
    if opening and outer:
        names.add(inner)
        return _nested(tag, name, inner)

    def run(scope: Scope) -> str:
        value = scope[0].get(name, _MISSING)
        if type(value) is str:
            return value if value.isprintable() else _fit(value)
        return _not_text(value, tag, name, scope)

    return run


def _nested(tag: str, name: str, inner: str) -> Fill:
    """A tag in a tag: the inner one is filled in when the whole is not a name itself."""
    before = tag[: tag.rindex("{{")]

    def run(scope: Scope) -> str:
        value = scope[0].get(name, _MISSING)
        if value is not _MISSING:
            return _text_of(value, tag, name, scope)
        value = scope[0].get(inner, _MISSING)
        if value is _MISSING:
            return _unresolved(tag, name, scope)
        if value is None:
            raise AbsentOptional(
                f'unable to substitute nested tag {{{{{tag}}}}}: "{inner}" is an absent optional'
            )
        return "{{" + before + _text_of(value, tag, name, scope)

    return run


def _text_of(value: Any, tag: str, name: str, scope: Scope) -> str:
    return _fit(value) if isinstance(value, str) else _not_text(value, tag, name, scope)


def _fit(value: str) -> str:
    """The value, if Argo's escaping of it is JSON. Raises LangError for control characters other than line ends,
    tabs, backspace and form feed.
    """
    if _UNFIT.search(value):
        raise LangError(
            "cannot finish template replacement because the result was invalid JSON"
            " (the value holds a control character)"
        )
    return value


def _not_text(value: Any, tag: str, name: str, scope: Scope) -> str:
    if value is _MISSING:
        return _unresolved(tag, name, scope)
    if value is None:
        raise AbsentOptional(
            f"unable to substitute {{{{{tag}}}}}: output is an absent optional"
            " (skipped/omitted node with no default)"
        )
    if scope.strict:
        raise LangError(f"failed to resolve {{{{{tag}}}}} to string")
    return "{{" + tag + "}}"


def _unresolved(tag: str, name: str, scope: Scope) -> str:
    if is_strict(name, scope.strict) and not (
        scope.strict != "all" and ".outputs.artifacts." in name
    ):
        raise MissingVariable(f"failed to resolve {{{{{tag}}}}}")
    return "{{" + tag + "}}"


def is_strict(name: str, strict: Strict) -> bool:
    """Whether a name must have a value."""
    if strict == "all":
        return True
    return bool(strict) and name.partition(".")[0] in strict
