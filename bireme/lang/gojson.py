"""JSON the way Go's encoding/json writes it: sorted keys, shortest floats, `<`, `>` and `&` escaped."""

import re
from typing import Any, Final

from bireme.lang.errors import LangError, OverBudget
from bireme.lang.expr.times import Time
from bireme.lang.expr.values import go_type, json_float, text

MAX_DEPTH: Final = 200
MAX_PARTS: Final = 3_000_000
_SPECIAL = re.compile('[\\x00-\\x1f"\\\\<>&\u2028\u2029]')
_PLAIN = re.compile('[\\x00-\\x1f"\\\\\u2028\u2029]')
_SHORT: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}


def quote(value: str, html: bool = True) -> str:
    """A JSON string literal."""
    pattern = _SPECIAL if html else _PLAIN
    return f'"{pattern.sub(_escape, value)}"' if pattern.search(value) else f'"{value}"'


def _escape(match: re.Match[str]) -> str:
    return _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}"


def dumps(value: Any, *, indent: str = "", html: bool = True) -> str:
    """Compact JSON, or indented by `indent`. Raises LangError for what JSON cannot hold."""
    out: list[str] = []
    _write(value, out, indent, "\n" if indent else "", html)
    return "".join(out)


def _write(value: Any, out: list[str], indent: str, line: str, html: bool) -> None:
    if len(out) > MAX_PARTS:
        raise OverBudget("memory budget exceeded")
    if isinstance(value, dict):
        _write_map(value, out, indent, line, html)
    elif isinstance(value, (list, tuple)):
        _write_list(value, out, indent, line, html)
    else:
        out.append(_scalar(value, html))


def _scalar(value: Any, html: bool) -> str:
    if isinstance(value, str):
        return quote(value, html)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return json_float(value)
    if isinstance(value, Time):
        return quote(value.rfc3339(), html)
    raise LangError(f"json: unsupported type: {go_type(value)}")


def _write_map(value: dict[Any, Any], out: list[str], indent: str, line: str, html: bool) -> None:
    if not value:
        out.append("{}")
        return
    inner = _deeper(line, indent)
    colon = ": " if indent else ":"
    opening = "{" + inner
    for key in sorted(value, key=text):
        out.append(f"{opening}{quote(text(key), html)}{colon}")
        _write(value[key], out, indent, inner, html)
        opening = "," + inner
    out.append(line + "}")


def _write_list(value: Any, out: list[str], indent: str, line: str, html: bool) -> None:
    if not value:
        out.append("[]")
        return
    inner = _deeper(line, indent)
    opening = "[" + inner
    for item in value:
        out.append(opening)
        _write(item, out, indent, inner, html)
        opening = "," + inner
    out.append(line + "]")


def _deeper(line: str, indent: str) -> str:
    if len(line) > MAX_DEPTH * max(len(indent), 1):
        raise LangError(f"json: nested more than {MAX_DEPTH} deep")
    return line + indent if indent else line
