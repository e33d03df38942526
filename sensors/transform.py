"""`transform` of a dependency: what its filters and triggers see in place of the event's data.

    transform:
      jq: "{id: .body.order.id, total: ([.body.lines[].price] | add)}"

`jq` wins over `script` (Lua, the data as the table `event`). The result is a JSON object (from Lua also a list), its
numbers are floats, its keys sorted. Pure, given the event's `Scripts`.
"""

import json
from collections.abc import Callable

import msgspec

from bireme.kit.errors import BiremeError
from bireme.lang import gojson
from bireme.lang.script import Program
from sensors.errors import BadSensor
from sensors.view import View

Seen = Callable[[View], View]

_LEAST, _MOST = 1e-4, 2.0**53  # between them, in absolute value, Python and Go write numbers alike
_ESCAPES = tuple((char, f"\\u{ord(char):04x}") for char in "<>&\u2028\u2029")
_NO_OUTPUT = "no output available from the jq command execution"
_NO_OBJECT = "jq transformation output must be a JSON object"
_NO_TABLE = "transformation script output type is not of lua table"


class Config(msgspec.Struct, frozen=True):
    """Argo's EventDependencyTransformer."""

    jq: str = ""
    script: str = ""


def transform(config: Config) -> Seen:
    """A function from an event to the event as the dependency sees it; it raises BadSensor for what cannot be."""
    if config.jq:
        return _by(Program("jq.first", config.jq), "transform.jq", _jq_object)
    if config.script:
        return _by(Program("lua.table", config.script), "transform.script", _lua_table)
    return unchanged


def unchanged(view: View) -> View:
    """A dependency without transform."""
    return view


def _by(program: Program, path: str, checked: Callable[[bytes], bytes]) -> Seen:
    def seen(view: View) -> View:
        if view.is_empty:
            return view
        try:
            return view.changed(program, lambda answer: _as_go(checked(answer)))
        except BiremeError as error:
            raise BadSensor(f"transform error ({error})", path) from error

    return seen


def _jq_object(answer: bytes) -> bytes:
    if not answer:
        raise BadSensor(_NO_OUTPUT)
    if not answer.startswith(b"{"):
        raise BadSensor(_NO_OBJECT)
    return answer


def _lua_table(answer: bytes) -> bytes:
    if not answer:
        raise BadSensor(_NO_TABLE)
    return answer


def _as_go(answer: bytes) -> bytes:
    """The answer as Go writes JSON, every number a float on the way."""
    odd: list[float] = []

    def number(text: str) -> float:
        found = float(text)
        if not _LEAST <= abs(found) < _MOST and (found or text.startswith("-")):
            odd.append(found)
            return found
        return int(found) if found.is_integer() else found

    value = json.loads(answer, parse_int=number, parse_float=number)
    if odd:
        return gojson.dumps(value).encode()
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    for char, escape in _ESCAPES:
        text = text.replace(char, escape)
    return text.encode()
