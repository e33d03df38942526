"""Output parameters out of a live object: kubectl's JSONPath, and jq."""

import json
import re
from collections.abc import Sequence
from typing import Any

from bireme.lang import gojson, jsonpath
from bireme.lang.errors import LangError
from bireme.lang.script import Program, Scripts

Json = dict[str, Any]

_BRACES = re.compile(r"\{([^{}]*)\}")


def values(declared: Sequence[Json], live: Json, scripts: Scripts) -> dict[str, str]:
    """By name. Of an object that is gone, the defaults. Raises LangError that names the parameter."""
    found = {}
    for parameter in declared:
        source = parameter.get("valueFrom") or {}
        try:
            value = _value(source, live, scripts)
        except LangError as error:
            raise LangError(f"outputs.parameters '{parameter['name']}': {error}") from error
        default = source.get("default")
        found[parameter["name"]] = str(default) if not value and default is not None else value
    return found


def _value(source: Json, live: Json, scripts: Scripts) -> str:
    if not live:
        return ""
    if path := source.get("jsonPath"):
        return by_json_path(path, live)
    if program := source.get("jqFilter"):
        return by_jq(program, live, scripts)
    return ""


def by_json_path(template: str, live: Json) -> str:
    """Text with paths in braces, as `kubectl -o jsonpath` prints it; what is not there prints nothing."""

    def put(match: "re.Match[str]") -> str:
        inner = match[1].strip()
        if inner.startswith(("'", '"')):
            return inner[1:-1]
        if inner.partition(" ")[0] in ("range", "end"):
            raise LangError(f"'{{{inner}}}' is not known here: use a jqFilter")
        return _printed(live, inner)

    text = template if "{" in template else f"{{{template}}}"
    return _BRACES.sub(put, text)


def _printed(live: Json, inner: str) -> str:
    path = "$" + inner.removeprefix("$").removeprefix("@")
    tokens = jsonpath.parse(path if path[1:2] in (".", "[") else f"$.{path[1:]}")
    try:
        found = jsonpath.find(live, path if path[1:2] in (".", "[") else f"$.{path[1:]}")
    except LangError:
        return ""
    many = any(token.kind not in ("key", "index") for token in tokens)
    return " ".join(_text(value) for value in (found if many else [found]))


def by_jq(program: str, live: Json, scripts: Scripts) -> str:
    """All that the program puts out, one value a line, texts without quotes."""
    out = scripts.run(Program("jq.all", program), json.dumps(live).encode())
    return "\n".join(_text(json.loads(line)) for line in out.splitlines() if line.strip())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else gojson.dumps(value, html=False)
