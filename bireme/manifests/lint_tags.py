"""Tags that no pass will ever fill in: Argo hands them on as they are written."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bireme.kit.errors import UserError
from bireme.manifests.doubts import Doubt
from bireme.manifests.yaml import join

_ROOTS = ("inputs", "outputs", "steps", "tasks", "workflow", "item", "pod", "node")
_IN_EXPRESSIONS = frozenset((*_ROOTS, "retries", "lastRetry"))
_BODIES = ("steps", "tasks")
_ALIKE = 0.75
_LOOPS = ("withItems", "withParam", "withSequence")
# Texts with languages or variables of their own.
_OTHERS = frozenset(("metrics", "successCondition", "failureCondition", "transformation", "hooks"))


@dataclass(frozen=True, slots=True)
class Place:
    """What can be named where a text stands. None means that nobody can know."""

    inputs: frozenset[str] | None = frozenset()
    siblings: frozenset[str] | None = frozenset()
    arguments: frozenset[str] | None = None
    loops: bool = False
    retries: bool = False


def tag_doubts(spec: Mapping[str, Any], *, complete: bool) -> Iterator[Doubt]:
    """`spec` is plain JSON values. `complete`: no other object adds arguments to it."""
    given = (spec.get("arguments") or {}).get("parameters") or []
    arguments = frozenset(p.get("name", "") for p in given) if complete else None
    defaults = spec.get("templateDefaults") or {}
    retries = bool(spec.get("retryStrategy") or defaults.get("retryStrategy"))
    place = Place(arguments=arguments, retries=retries)
    for index, template in enumerate(spec.get("templates") or ()):
        yield from _template(template, f"templates[{index}]", place)


def tag_faults(spec: Mapping[str, Any]) -> Iterator[Doubt]:
    """Expressions in templates that cannot be read: errors, whatever their variables are."""
    from bireme.lang.expression_tags import all_unreadable  # loaded for those who write tags

    for path, tag, fault in all_unreadable(spec.get("templates") or [], "templates"):
        yield path, f"{tag} {fault}", "See docs/workflows.md on tags."


def _template(template: Any, path: str, around: Place) -> Iterator[Doubt]:
    if not isinstance(template, dict):
        return
    inputs = (template.get("inputs") or {}).get("parameters") or []
    steps = [step for group in template.get("steps") or () for step in group]
    steps += (template.get("dag") or {}).get("tasks") or []
    place = replace(
        around,
        inputs=_and(around.inputs, (p.get("name", "") for p in inputs)),
        siblings=_and(around.siblings, (step.get("name", "") for step in steps)),
        retries=around.retries or bool(template.get("retryStrategy")),
    )
    yield from _within(template, path, place)


def _and(known: frozenset[str] | None, more: Iterator[str]) -> frozenset[str] | None:
    return None if known is None else known | frozenset(more)


def _within(value: Any, path: str, place: Place) -> Iterator[Doubt]:
    if isinstance(value, str):
        if "{{" in value:
            yield from _text(value, path, place)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _within(member, join(path, index), place)
    elif isinstance(value, dict):
        if any(value.get(name) is not None for name in _LOOPS):
            place = replace(place, loops=True)
        for key, member in value.items():
            if key == "inline":
                yield from _template(member, join(path, key), place)
            elif key not in _OTHERS:
                yield from _within(member, join(path, key), place)


def _text(text: str, path: str, place: Place) -> Iterator[Doubt]:
    from bireme.lang import tags  # loaded for those who write tags

    try:
        found = tags.tags_in(text)
    except UserError:
        return  # a tag that is never closed is an error elsewhere
    for tag in found:
        doubt = _expression(tag[1:], place) if tag.startswith("=") else _simple(tag, place)
        if doubt is not None:
            yield path, f"{{{{{tag}}}}} {doubt[0]}", doubt[1]


def _simple(tag: str, place: Place) -> tuple[str, str] | None:
    name = tag.strip()
    if name.startswith("="):
        return "is taken as a name, not as an expression", "Write = directly after {{."
    root = name.partition(".")[0]
    if name == "item" and not place.loops:
        return "stands outside a loop", "Hand it on as an argument of the step that loops."
    if root in ("retries", "lastRetry") and not place.retries:
        return "needs a retryStrategy, which this template has not", "Add a retryStrategy."
    if "." in name and root not in _IN_EXPRESSIONS:
        close = difflib.get_close_matches(root, _ROOTS, n=1, cutoff=_ALIKE)
        if close:
            return "can never be resolved", f"Did you mean {close[0]}{name[len(root) :]}?"
    return None


def _expression(text: str, place: Place) -> tuple[str, str] | None:
    from bireme.lang import environment, expr

    try:
        compiled = expr.compile(text)
    except UserError:
        return None  # told by `tag_faults`
    functions = environment.functions()
    for path in sorted(compiled.identifiers & compiled.mentions):
        root, _, rest = path.partition(".")
        if root not in _IN_EXPRESSIONS and root not in functions:
            advice = "Names with a hyphen are written a['my-name']; texts stand in quotes."
            return f"can never be resolved: there is no '{root}'", advice
        if (missing := _undeclared(root, rest, place)) is not None:
            return f"can never be resolved: {missing}", "Declare it, or correct the name."
    return None


def _undeclared(root: str, rest: str, place: Place) -> str | None:
    """What a path names that is not there, in words."""
    family, _, name = rest.partition(".")
    if root in _BODIES and family and family != "name":
        known = place.siblings
        return None if known is None or family in known else f"no step or task is named '{family}'"
    if family != "parameters" or not name or root not in ("inputs", "workflow"):
        return None
    known = place.inputs if root == "inputs" else place.arguments
    first = name.partition(".")[0]
    if known is None or first in known or (root, first) == ("workflow", "json"):
        return None
    return f"no parameter '{first}' is declared"
