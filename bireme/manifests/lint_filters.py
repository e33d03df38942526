"""What is wrong with the transform and the filters of a dependency: programs, expressions, patterns and paths that do
not compile, and comparisons that never hold. Compiles, and runs nothing.
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from bireme.kit.errors import MissingExtra, UserError
from bireme.lang.script import Kind, Program, Scripts
from bireme.manifests.events import DataFilter, Dependency, ExprFilter, Filters

_TYPES = ("bool", "number", "string")
_TRUTHS = frozenset(
    ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
)
_SCRIPT_LINE = re.compile(r"(?:script:|, line )(\d+)")


class Finding(NamedTuple):
    """One complaint. `is_fatal` when no event can pass the dependency; `row` counts lines within the field."""

    path: str
    message: str
    advice: str = ""
    is_fatal: bool = False
    row: int = 0
    severity: Literal["error", "warning"] = "warning"


def findings(dependency: Dependency, path: str, scripts: Scripts | None) -> Iterator[Finding]:
    """Everything about one dependency, whatever the event sources around it."""
    transform = dependency.transform
    if transform is not None and transform.jq:
        yield from _program("jq.first", transform.jq, f"{path}.transform.jq", scripts)
        if transform.script:
            message = "script is never used: jq wins"
            yield Finding(f"{path}.transform.script", message, "Remove one of the two.")
    elif transform is not None and transform.script:
        yield from _program("lua.table", transform.script, f"{path}.transform.script", scripts)
    if dependency.filters is not None:
        for found in _filters(dependency.filters, f"{path}.filters", scripts):
            forgiven = found.is_fatal and dependency.filters_logical_operator == "or"
            yield found._replace(is_fatal=False) if forgiven else found
        yield from _context(dependency, f"{path}.filters.context")


def _filters(filters: Filters, path: str, scripts: Scripts | None) -> Iterator[Finding]:
    for at, expression in enumerate(filters.exprs):
        for found in _expression(expression, f"{path}.exprs[{at}]"):
            yield _one_of(found, filters.expr_logical_operator)
    for at, data in enumerate(filters.data):
        for found in _data(data, f"{path}.data[{at}]"):
            yield _one_of(found, filters.data_logical_operator)
    if filters.script:
        yield from _program("lua.truth", filters.script, f"{path}.script", scripts)


def _one_of(found: Finding, operator: str) -> Finding:
    """An entry that cannot hold is no end to a list of which any entry is enough."""
    return found._replace(is_fatal=False) if operator == "or" else found


def _program(kind: Kind, text: str, path: str, scripts: Scripts | None) -> Iterator[Finding]:
    if scripts is None:
        return
    try:
        scripts.check(Program(kind, text))
    except MissingExtra as error:
        yield Finding(path, f"not checked: {error}")
    except UserError as error:
        message = " ".join(str(error).split("\n    ")[0].split()).rstrip(":")
        row = _SCRIPT_LINE.search(message)
        advice = "Every event would be an error."
        line = int(row[1]) if row and "\n" in text else 0
        yield Finding(path, message, advice, True, line, "error")


def _expression(expression: ExprFilter, path: str) -> Iterator[Finding]:
    from bireme.lang import govaluate, govaluate_words

    names = {field.name for field in expression.fields}
    for at, field in enumerate(expression.fields):
        yield from _path(field.path, f"{path}.fields[{at}].path")
    if fault := _fault(govaluate.compile, expression.expr):
        yield Finding(f"{path}.expr", f"does not parse: {fault}", "", True, severity="error")
        return
    used = [
        word.value for word in govaluate_words.split(expression.expr) if word.kind == "VARIABLE"
    ]
    for name in dict.fromkeys(used):
        if name not in names and name.partition(".")[0] not in names:
            known = ", ".join(sorted(names)) or "none"
            message = f"'{name}' is no field of this filter; fields: {known}"
            advice = "Give it under fields, with its path. A name with other characters is written [my-name]."
            yield Finding(f"{path}.expr", message, advice)


def _data(data: DataFilter, path: str) -> Iterator[Finding]:
    from bireme.lang import gotemplate, regex

    yield from _path(data.path, f"{path}.path")
    if data.template and (fault := _fault(gotemplate.check, data.template)):
        message = f"does not parse: {fault}"
        yield Finding(f"{path}.template", message, "", True, severity="error")
    if data.type and data.type not in _TYPES:
        message = f"no value has type '{data.type}'"
        yield Finding(f"{path}.type", message, "Write bool, number or string.", True)
    if data.type == "string" and data.comparator not in ("", "=", "!="):
        message = f"texts are not ordered: '{data.comparator}' never holds"
        yield Finding(f"{path}.comparator", message, "Write =, !=, or type: number.", True)
    if data.comparator == "!=" and len(set(data.value)) > 1 and data.type in ("number", "string"):
        message = "!= with several values holds whenever one of them differs"
        yield Finding(f"{path}.comparator", message, "Make an entry of each value.")
    for at, value in enumerate(data.value):
        place, first = f"{path}.value[{at}]", at == 0
        if data.type == "string" and (fault := _fault(regex.compile, value)):
            advice = "A value is a regular expression."
            yield Finding(place, fault, advice, first, severity="error")
        if data.type == "number" and not _is_number(value):
            message = f"'{value}' is not a number, so the filter fails for every event"
            yield Finding(place, message, "Write a number, or type: string.", first)
        if data.type == "bool" and value not in _TRUTHS:
            message = f"'{value}' is neither true nor false, so the filter fails for every event"
            yield Finding(place, message, "Write true or false.", first)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text == text.strip()


def _path(path: str, place: str) -> Iterator[Finding]:
    from bireme.lang import gjson_check

    if message := gjson_check.doubt(path):
        yield Finding(place, message)


def _context(dependency: Dependency, path: str) -> Iterator[Finding]:
    """An event's source and subject are the dependency's own names."""
    context = dependency.filters.context if dependency.filters else None
    for field, name, value in (
        ("source", "eventSourceName", dependency.event_source_name),
        ("subject", "eventName", dependency.event_name),
    ):
        wanted = getattr(context, field, "")
        if wanted and wanted != value and not any(char in value for char in "*?["):
            message = f"never holds: the {field} of these events is '{value}'"
            is_fatal = dependency.filters_logical_operator != "or"
            advice = f"It is {name} already; leave it out."
            yield Finding(f"{path}.{field}", message, advice, is_fatal)


def _fault(compile: Callable[[str], object], text: str) -> str:
    """The first line of what the compiler complains about."""
    try:
        compile(text)
    except UserError as error:
        return str(error).splitlines()[0]
    return ""
