"""jq in the child."""

import json
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import jq

from bireme.sandbox.deadline import Deadline
from bireme.sandbox.failures import Failed, TooMuch

Run = Callable[[str], bytes]


class JqEngine:
    """Compiles jq programs; `jq.first` gives the first output, `jq.all` one output a line."""

    def __init__(self, output_bytes: int, deadline: Deadline) -> None:
        self._output_bytes = output_bytes
        self._deadline = deadline

    def compile(self, kind: str, text: str) -> Run:
        """Raises Failed with jq's words."""
        try:
            program = jq.compile(text)
        except ValueError as error:
            raise Failed(str(error)) from None
        most = 1 if kind == "jq.first" else -1

        def run(data: str) -> bytes:
            self._deadline.start(len(data))
            try:
                return self._lines(_values(program, data), most)
            finally:
                self._deadline.stop()

        return run

    def _lines(self, values: Iterator[Any], most: int) -> bytes:
        lines: list[bytes] = []
        left = self._output_bytes
        for value in values:
            lines.append(_encode(value))
            left -= len(lines[-1]) + 1
            if left < 0:
                raise TooMuch(f"the output is longer than {self._output_bytes} bytes")
            if len(lines) == most:
                break
        return b"\n".join(lines)


def _values(program: Any, data: str) -> Iterator[Any]:
    try:
        yield from program.input_text(_normal(data))
    except ValueError as error:
        raise Failed(str(error)) from None


def _normal(data: str) -> str:
    """The same JSON as Argo's jq has it: keys sorted, every number a float with its shortest digits."""
    plain = json.loads(data, parse_int=_number, parse_float=_number)
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _number(text: str) -> float | int:
    found = float(text)
    if not found.is_integer() or abs(found) >= 1e21 or (not found and text.startswith("-")):
        return found
    return int(found) if abs(found) < 1 << 53 else int(Decimal(repr(found)))


def _encode(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")


def _finite(value: Any) -> Any:
    """jq writes no number as null, and the infinities as the largest number there is."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else math.copysign(1.7976931348623157e308, value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
