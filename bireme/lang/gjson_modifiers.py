"""gjson's modifiers (`@reverse`, `@flatten`, …) and literals (`!"text"`): JSON text in, JSON text out."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from bireme.lang import gjson, gojson
from bireme.lang import gjson_path as paths
from bireme.lang import gjson_scan as scan
from bireme.lang.errors import LangError

Modifier = Callable[[str, str], str]
_WIDTH: Final = 80
_MAX_DEPTH: Final = 200


def apply(json: str, path: str) -> tuple[str, str] | None:
    """What the modifier at the start of the path makes of the text, and the rest; None when there is no such one."""
    match = re.match(r"@([^:|.]*)", path)
    name = match[1] if match else ""
    work = _MODIFIERS.get(name)
    if work is None:
        return None
    rest = path[1 + len(name) :]
    argument = ""
    if rest.startswith(":"):
        argument, rest = _argument(rest[1:])
    return work(json, argument), rest


def _argument(rest: str) -> tuple[str, str]:
    if rest[:1] in ("{", "[", '"') and rest:
        end = paths.squash_end(rest, 0)
        return rest[:end], rest[end:]
    at = 0
    while at < len(rest) and rest[at] != "|":
        at = paths.squash_end(rest, at) if rest[at] in '{["(' else at + 1
    return rest[:at], rest[at:]


def literal(path: str) -> tuple[str, str] | None:
    """The JSON value after `!`, and the rest of the path."""
    text = path[1:]
    if text[:1] in ("{", "[", '"'):
        end = paths.squash_end(text, 0)
        return text[:end], text[end:]
    if re.match(r"[+\-0-9]", text):
        end = scan.value_end(text, 0)
        return text[:end], text[end:]
    name = re.split(r"[|.]", text, maxsplit=1)[0]
    if name.lower() in ("true", "false", "null", "nan", "inf"):
        return name, text[len(name) :]
    return None


def _kind(json: str) -> str:
    return json.lstrip()[:1]


def _this(json: str, _: str) -> str:
    return json


def _reverse(json: str, _: str) -> str:
    body = json.lstrip()
    if _kind(json) == "[":
        return f"[{','.join(list(scan.items(body))[::-1])}]"
    if _kind(json) == "{":
        pairs = [f"{key}:{value}" for key, value in scan.members(body)]
        return f"{{{','.join(pairs[::-1])}}}"
    return json


def _checked(json: str) -> str:
    """The text, if it is not nested so deep that walking all of it would take minutes. Raises LangError."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', json):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > _MAX_DEPTH:
            raise LangError(f"the document is nested more than {_MAX_DEPTH} deep")
    return json.lstrip()


def _option(argument: str, name: str) -> bool:
    return gjson.find(argument, name).type == "True"


def _flatten(json: str, argument: str) -> str:
    if _kind(json) != "[":
        return json
    return f"[{','.join(_opened(_checked(json), _option(argument, 'deep'), True))}]"


def _opened(array: str, deep: bool, open_items: bool) -> Iterator[str]:
    for item in scan.items(array):
        if item[0] == "[" and open_items:
            yield from _opened(item, deep, deep)
        else:
            yield item


def _join(json: str, argument: str) -> str:
    if _kind(json) != "[":
        return json
    objects = [item for item in scan.items(json.lstrip()) if item[0] == "{"]
    pairs = [pair for item in objects for pair in scan.members(item)]
    if not _option(argument, "preserve"):
        pairs = list(dict(pairs).items())
    return f"{{{','.join(f'{key}:{value}' for key, value in pairs)}}}"


def _valid(json: str, _: str) -> str:
    return json if scan.is_valid(json) else ""


def _keys(json: str, _: str) -> str:
    body = json.lstrip()
    if _kind(json) == "{":
        return f"[{','.join(key for key, _ in scan.members(body))}]"
    count = sum(1 for _ in scan.items(body)) if _kind(json) == "[" else bool(body)
    return f"[{','.join(['null'] * count)}]"


def _values(json: str, _: str) -> str:
    body = json.lstrip()
    if _kind(json) == "{":
        return f"[{','.join(value for _, value in scan.members(body))}]"
    return body if _kind(json) == "[" else f"[{body}]"


def _tostr(json: str, _: str) -> str:
    return gojson.quote(json)


def _fromstr(json: str, _: str) -> str:
    return gjson.result_of(json).text if scan.is_valid(json) else ""


def _group(json: str, _: str) -> str:
    """An object of lists as a list of objects."""
    if _kind(json) != "{":
        return ""
    rows: list[list[str]] = []
    for key, value in scan.members(json.lstrip()):
        if value[0] != "[":
            continue
        for index, item in enumerate(scan.items(value)):
            if index == len(rows):
                rows.append([])
            rows[index].append(f"{key}:{item}")
    return f"[{','.join('{' + ','.join(row) + '}' for row in rows)}]"


def _dig(json: str, path: str) -> str:
    return f"[{','.join(_dug(_checked(json), path))}]"


def _dug(json: str, path: str) -> Iterator[str]:
    found = gjson.find(json, path)
    if found.exists:
        yield found.raw
    if json[:1] == "[":
        for item in scan.items(json):
            yield from _dug(item, path)
    elif json[:1] == "{":
        for _, value in scan.members(json):
            yield from _dug(value, path)


def _pretty(json: str, argument: str) -> str:
    width = int(gjson.find(argument, "width").number) if argument else 0
    return _laid_out(scan.minify(_checked(json)), "", width or _WIDTH) + "\n"


def _laid_out(json: str, margin: str, width: int) -> str:
    inner = margin + "  "
    if json[:1] == "{" and json != "{}":
        lines = [f"{key}: {_laid_out(v, inner, width)}" for key, v in scan.members(json)]
        return _block("{", lines, "}", inner, margin)
    if json[:1] == "[" and json != "[]":
        short = f"[{', '.join(scan.items(json))}]"
        if "{" not in short and len(margin) + len(short) <= width:
            return short
        return _block(
            "[", [_laid_out(v, inner, width) for v in scan.items(json)], "]", inner, margin
        )
    return json


def _block(opening: str, lines: list[str], closing: str, inner: str, margin: str) -> str:
    body = f",\n{inner}".join(lines)
    return f"{opening}\n{inner}{body}\n{margin}{closing}"


def _ugly(json: str, _: str) -> str:
    return scan.minify(json)


_MODIFIERS: Final[dict[str, Modifier]] = {
    "this": _this,
    "reverse": _reverse,
    "flatten": _flatten,
    "join": _join,
    "valid": _valid,
    "keys": _keys,
    "values": _values,
    "tostr": _tostr,
    "fromstr": _fromstr,
    "group": _group,
    "dig": _dig,
    "pretty": _pretty,
    "ugly": _ugly,
}
