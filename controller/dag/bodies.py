"""Steps and tasks as they are about to run: `when` first, then the rest, then one round per item."""

from collections.abc import Iterator
from typing import Any

from bireme.lang import tags, when
from bireme.lang.errors import LangError, MissingVariable
from controller.dag import loops, names, substitute
from controller.dag.library import Definition
from controller.dag.model import Json
from controller.dag.outputs import OutputFault, artifact_from
from controller.dag.scope import Frame, Layered, Variables
from controller.dag.state import Member

NEVER = (
    " (nothing that has run or is running before it gives this value, so waiting would be for ever;"
    " name a step of an earlier group or a task it depends on, and a value that one has)"
)
EMPTY = "Skipped, empty params"
_RAW = frozenset(
    {"hooks", "onExit", "inline", "when", "name", "depends", "dependencies", "continueOn"}
)
_CACHE_LIMIT = 512


class Unready(Exception):
    """The body cannot be resolved and never will be; the message is for people."""


class BadItems(Unready):
    """The references of the body are resolved, but what it loops over is no list of items."""


def raw(definition: Definition, group: int, slot: int) -> Json:
    """The step or task as written."""
    if definition.kind == "dag":
        found: Json = definition.template["dag"]["tasks"][slot]
    else:
        found = definition.template["steps"][group][slot]
    return found


def site(definition: Definition, group: int, slot: int) -> str:
    return f"{definition.key}!{group}/{slot}"


def members(frame: Frame, group: int, slot: int) -> Iterator[Member] | Member:
    """What a step or task becomes: one member, or one per item. Raises Unready."""
    body = raw(frame.definition, group, slot)
    try:
        return _members(frame, body, group, slot)
    except MissingVariable as error:
        raise Unready(f"{error}{NEVER}") from error
    except loops.BadLoop as error:
        raise BadItems(str(error)) from error
    except (LangError, OutputFault) as error:
        raise Unready(str(error)) from error


def _members(frame: Frame, body: Json, group: int, slot: int) -> Iterator[Member] | Member:
    condition = _condition(frame, body)
    loop = loops.is_loop(body)
    go = _holds(condition, loop)
    if not go and not loop:
        return Member(slot, body["name"], body, skip=_false(condition))
    resolved = _resolved(frame, body, group, slot)
    if not loop:
        return Member(slot, body["name"], resolved)
    return _rounds(frame, {**resolved, "when": condition}, slot, go=go)


def _condition(frame: Frame, body: Json) -> str:
    text = body.get("when") or ""
    if "{{" not in text:
        return str(text)
    return str(
        substitute.resolve(tags.compile_tags(text), frame.scope, substitute.SIBLINGS, frame.now)
    )


def _holds(condition: str, loop: bool) -> bool:
    try:
        return not condition or when.eval_when(condition)
    except LangError:
        if loop:
            return True  # it may hold an item's tag: each round decides for itself
        raise


def _false(condition: str) -> str:
    return f"when '{condition}' evaluated false"


def _resolved(frame: Frame, body: Json, group: int, slot: int) -> Json:
    """The body without what is never substituted, its tags filled in, its artifacts found."""
    compiled, plain = _compiled(frame.definition, body, group, slot)
    absent = absent_in(plain.get("arguments") or {}, frame.scope)
    if absent:
        plain = {**plain, "arguments": without(plain["arguments"], absent)}
        compiled = tags.compile_tags(plain)
    found = (
        substitute.resolve(compiled, frame.scope, substitute.SIBLINGS, frame.now)
        if compiled
        else plain
    )
    kept = {key: body[key] for key in ("name", "inline") if body.get(key) is not None}
    arguments = found.get("arguments") or {}
    if absent:
        arguments = {**arguments, "absent": absent}
    if arguments.get("artifacts"):
        arguments = {**arguments, "artifacts": artifacts_of(frame, arguments["artifacts"])}
    return {**found, **kept, "arguments": arguments} if arguments else {**found, **kept}


def _compiled(definition: Definition, body: Json, group: int, slot: int) -> tuple[Any, Json]:
    known = definition.bodies.get((group, slot))
    if known is None:
        plain = {k: v for k, v in body.items() if k not in _RAW}
        known = (tags.compile_tags(plain) if substitute.has_tags(plain) else None, plain)
        if len(definition.bodies) < _CACHE_LIMIT:
            definition.bodies[group, slot] = known
    return known


def absent_in(arguments: Json, known: Variables) -> list[str]:
    """Arguments that are nothing but a reference to an output that was never made."""
    parameters = arguments.get("parameters") or ()
    return [p["name"] for p in parameters if substitute.is_absent(p.get("value"), known)]


def without(arguments: Json, absent: list[str]) -> Json:
    """The arguments that can be filled in; the input has a default for the others, or says that it has none."""
    kept = [p for p in arguments["parameters"] if p["name"] not in absent]
    return {**arguments, "parameters": kept}


def artifacts_of(frame: Frame, given: list[Json]) -> list[Json]:
    """Artifact arguments with what they point at; what cannot be found is left out, the input decides."""
    found = []
    for artifact in given:
        if not artifact.get("from") and not artifact.get("fromExpression"):
            found.append(artifact)
        elif (pointed := artifact_from({**artifact, "optional": True}, frame)) is not None:
            found.append(
                {**pointed, **{k: artifact[k] for k in ("subPath", "archive") if k in artifact}}
            )
    return found


def _rounds(frame: Frame, body: Json, slot: int, *, go: bool) -> Iterator[Member]:
    try:
        items = loops.expand(body)
    except loops.BadLoop:
        if go:
            raise
        items = iter(())
    plain = {
        k: v
        for k, v in body.items()
        if k not in ("withItems", "withParam", "withSequence", "inline")
    }
    compiled = tags.compile_tags(plain)
    inline = {"inline": body["inline"]} if "inline" in body else {}
    return (
        _round(compiled, names.item_name(body["name"], i, item.label), item, slot, inline)
        for i, item in enumerate(items)
    )


def _round(compiled: tags.Template, name: str, item: loops.Item, slot: int, inline: Json) -> Member:
    """One item: a false `when` forgives whatever else is wrong with the body."""
    scope = Layered(item.variables)
    try:
        body = compiled.substitute(scope, strict="all")
    except LangError as error:
        lenient = compiled.substitute(scope)
        if _is_false(lenient.get("when") or ""):
            return Member(slot, name, lenient, skip=_false(lenient["when"]))
        return Member(slot, name, lenient, error=str(error))
    condition = body.get("when") or ""
    try:
        skip = "" if not condition or when.eval_when(condition) else _false(condition)
    except LangError as error:
        return Member(slot, name, body, error=str(error))
    return Member(slot, name, {**body, **inline, "name": name}, skip=skip)


def _is_false(condition: str) -> bool:
    try:
        return bool(condition) and not when.eval_when(condition)
    except LangError:
        return False
