"""gjson: paths into JSON text. A result keeps the raw text, so that `1.50` and 30-digit numbers survive."""

import math
import re
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from bireme.lang import gjson_modifiers as modifiers
from bireme.lang import gjson_path as paths
from bireme.lang import gjson_scan as scan
from bireme.lang import gojson
from bireme.lang.errors import LangError

Type = Literal["Null", "False", "Number", "String", "True", "JSON"]
MAX_DEPTH: Final = 100


class Result(NamedTuple):
    """What a path leads to. `raw` is the JSON text; `exists` is False when there is nothing."""

    exists: bool
    type: Type
    raw: str

    @property
    def text(self) -> str:
        """The value as text: strings unquoted, numbers written out, null empty, the rest as JSON."""
        if self.type == "String":
            return scan.unescape(self.raw)
        if self.type == "Number":
            return _number_text(self.raw)
        return "" if self.type == "Null" else self.raw

    @property
    def number(self) -> float:
        """The value as a float; 0 for what is no number."""
        return to_float(self.raw) if self.type == "Number" else 0.0

    @property
    def value(self) -> Any:
        """The value decoded: None, bool, float, text, list or dict."""
        import json

        if self.type == "String":
            return self.text
        if self.type == "Number":
            return self.number
        if self.type != "JSON":
            return {"True": True, "False": False}.get(self.type)
        try:
            return json.loads(self.raw, parse_int=float)
        except (ValueError, RecursionError):
            return None


NOTHING: Final = Result(False, "Null", "")


def get(document: Any, path: str) -> Result:
    """The value at `path` in a JSON text (str or bytes) or a decoded document."""
    if isinstance(document, bytes):
        document = document.decode("utf-8", "replace")
    elif not isinstance(document, str):
        document = gojson.dumps(document, html=False)
    try:
        return find(document, path)
    except RecursionError:
        raise LangError(f"the path '{path[:80]}' or the document nests too deep") from None


def result_of(raw: str) -> Result:
    """The first value in a text."""
    at = scan.skip_space(raw)
    if at == len(raw):
        return NOTHING
    first = raw[at]
    if first in "{[":
        return Result(True, "JSON", raw[at:])
    raw = raw[at : scan.value_end(raw, at)]
    if first == '"':
        return Result(True, "String", raw)
    if first in "tf":
        return Result(True, "True" if first == "t" else "False", raw)
    if raw.startswith("nu"):
        return Result(True, "Null", raw)
    return Result(True, "Number", raw) if first in "+-0123456789nNiI" else NOTHING


def find(json: str, path: str) -> Result:
    """`get` on text."""
    if len(path) > 1 and path[0] in "@!":
        applied = modifiers.apply(json, path) if path[0] == "@" else modifiers.literal(path)
        if applied is not None:
            return _continue(*applied)
    if len(path) > 1 and path[0] in "[{" and (multi := paths.selectors(path)) is not None:
        if multi[1][:1] in ("", "|", "."):
            return _continue(_multipath(json, path[0], multi[0]), multi[1])
        path = multi[1]  # what is stuck to a multipath is looked for in its place
    if path.startswith(".."):
        return _in_array(f"[{','.join(scan.items(json, 0))}]", path[2:])
    start = re.search(r"[{\[]", json)
    if start is None:
        return NOTHING
    return _inside(json[start.start() :], path)


def _continue(raw: str, rest: str) -> Result:
    if rest[:1] in ("|", ".") and rest:
        return find(raw, rest[1:])
    return result_of(raw)


def _multipath(json: str, kind: str, selectors: list[paths.Selector]) -> str:
    made: list[str] = []
    for name, path in selectors:
        found = find(json, path)
        if not found.exists:
            continue
        raw = found.raw or "null"
        if kind == "{":
            shown = name if name.startswith('"') else gojson.quote(name or paths.name_of_last(path))
            raw = f"{shown}:{raw}"
        made.append(raw)
    return f"{kind}{','.join(made)}{']' if kind == '[' else '}'}"


def _inside(raw: str, path: str) -> Result:
    return _in_object(raw, path) if raw[0] == "{" else _in_array(raw, path)


def _in_object(raw: str, path: str) -> Result:
    step = paths.object_step(path)
    for key, value in scan.members(raw):
        if not _fits(key, step):
            continue
        if not step.more:
            return find(value, step.rest) if step.piped else result_of(value)
        if value[0] in "{[" and (found := _inside(value, step.rest)).exists:
            return found
    return _nothing(step)


def _nothing(step: paths.Step) -> Result:
    """What there is when a step leads nowhere: a modifier after it is applied to nothing."""
    return find("", step.rest) if step.piped and not step.more else NOTHING


def _fits(key: str, step: paths.Step) -> bool:
    name = scan.unescape(key) if "\\" in key else key[1:-1]
    return matches(name, step.part) if step.wild else name == step.part


def _in_array(raw: str, path: str) -> Result:
    step = paths.array_step(path)
    if isinstance(step, paths.Query):
        return _query(raw, step)
    if step.part == "#":
        return _hash(raw, step)
    if not (step.part.isascii() and step.part.isdigit()):
        return _nothing(step)
    index = int(step.part)
    for position, value in enumerate(scan.items(raw)):
        if position == index:
            return _found(value, step)
    return _nothing(step)


def _found(value: str, step: paths.Step) -> Result:
    if step.piped:
        return find(value, step.rest)
    if not step.more:
        return result_of(value)
    return _inside(value, step.rest) if value[0] in "{[" else NOTHING


def _hash(raw: str, step: paths.Step) -> Result:
    if not step.more:
        count = Result(True, "Number", str(sum(1 for _ in scan.items(raw))))
        return find(count.raw, step.rest) if step.piped else count
    path, pipe = paths.split_pipe(step.rest)
    found = (find(item, path) for item in scan.items(raw))
    joined = f"[{','.join(one.raw for one in found if one.exists and one.raw)}]"
    return Result(True, "JSON", joined) if pipe is None else find(joined, pipe)


def _query(raw: str, query: paths.Query) -> Result:
    path, pipe = paths.split_pipe(query.step.rest) if query.step.more else ("", None)
    if query.step.piped:
        pipe = query.step.rest
    every: list[str] = []
    for item in scan.items(raw):
        if not holds(item, query):
            continue
        found = find(item, path) if query.step.more else result_of(item)
        if not query.all:
            return found if pipe is None else find(found.raw, pipe)
        if found.raw:
            every.append(found.raw)
    if not query.all:
        return NOTHING if pipe is None else find("", pipe)
    joined = f"[{','.join(every)}]"
    return Result(True, "JSON", joined) if pipe is None else find(joined, pipe)


def holds(item: str, query: paths.Query) -> bool:
    """Whether an element fits a query."""
    if item[0] in "{[":
        value = find(item, query.path) if query.path else NOTHING
    elif query.path:
        return False
    else:
        value = result_of(item)
    return compare(value, query.op, query.value)


def compare(value: Result, op: str, wanted: str) -> bool:
    """Whether a query's comparison holds. `~true` and its like compare by what the value amounts to."""
    if wanted.startswith("~"):
        amounts = _amounts(value, wanted[1:])
        if amounts is None:
            return False
        value, wanted = Result(True, "True" if amounts else "False", ""), "true"
    if not value.exists:
        return False
    if not op:
        return True
    if value.type == "String":
        return _compare_text(value.text, op, wanted)
    if value.type == "Number":
        return _ordered(value.number, op, to_float(wanted))
    if value.type in ("True", "False"):
        return _ordered(value.type == "True", op, wanted == "true", wanted in ("true", "false"))
    return False


def _compare_text(text: str, op: str, wanted: str) -> bool:
    if op in ("%", "!%"):
        return matches(text, wanted) is (op == "%")
    return _ordered(text, op, wanted)


def _ordered(value: Any, op: str, wanted: Any, comparable: bool = True) -> bool:
    if not comparable:
        return op == "!=" or (op == (">=" if value else "<="))
    results: dict[str, bool] = {
        "=": value == wanted,
        "!=": value != wanted,
        "<": value < wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        ">=": value >= wanted,
    }
    return results.get(op, False)


_TRUE: Final = frozenset({"1", "t", "true"})
_FALSE: Final = frozenset({"0", "f", "false"})


def _amounts(value: Result, name: str) -> bool | None:
    if name == "*":
        return value.exists
    if name == "null":
        return value.type == "Null"
    if name == "true":
        return _truth(value) is True
    return _truth(value) is False if name == "false" else None


def _truth(value: Result) -> bool | None:
    if value.type == "String":
        text = value.text.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    if value.type == "Number":
        return value.number != 0
    return {"True": True, "False": False, "Null": False}.get(value.type)


class _Piece(NamedTuple):
    """What stands between two stars: a pattern of fixed length."""

    pattern: re.Pattern[str]
    size: int


@lru_cache(maxsize=1024)
def _pieces(wild: str) -> tuple[_Piece, ...]:
    found: list[_Piece] = []
    for part in re.findall(r"((?:\\.|[^*\\])*)(?:\*+|$)", wild, re.DOTALL):
        tokens = re.findall(r"\\.|.", part, re.DOTALL)
        source = "".join("." if token == "?" else re.escape(token[-1]) for token in tokens)
        found.append(_Piece(re.compile(source, re.DOTALL), len(tokens)))
    # The expression finds one empty piece too many at the end, unless a star stands there.
    return tuple(found if wild.endswith("*") and not wild.endswith("\\*") else found[:-1] or found)


def matches(text: str, wild: str) -> bool:
    """Whether a pattern with `*` and `?` covers the whole text; the time grows with both lengths, no worse."""
    first, *rest = _pieces(wild)
    if not rest:
        return first.pattern.fullmatch(text) is not None
    *middle, last = rest
    found = first.pattern.match(text)
    for piece in middle:
        found = piece.pattern.search(text, found.end()) if found else None
    start = len(text) - last.size
    return found is not None and start >= found.end() and bool(last.pattern.match(text, start))


def to_float(raw: str) -> float:
    """A number as Go's ParseFloat reads it; 0 for what is none."""
    try:
        return float(raw) if raw.strip() == raw and "_" not in raw else 0.0
    except ValueError:
        return 0.0


def _number_text(raw: str) -> str:
    digits = raw[1:] if raw.startswith("-") else raw
    if not digits or (digits.isascii() and digits.isdigit()):
        return raw
    value = to_float(raw)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.0f}" if value.is_integer() else _plain(value)


def _plain(value: float) -> str:
    """The shortest digits, without an exponent."""
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    digits = mantissa.replace(".", "").lstrip("-")
    point = len(mantissa.lstrip("-").partition(".")[0]) + int(exponent)
    sign = "-" if value < 0 else ""
    return f"{sign}0.{'0' * -point}{digits}"
