"""The functions of the language that take plain values."""

import base64
import binascii
import json
import math
from typing import Any, Final

from bireme.lang import gojson
from bireme.lang.errors import LangError, OverBudget
from bireme.lang.expr import builtins_text, builtins_time, predicates, values
from bireme.lang.expr.signature import MANY, Signature
from bireme.lang.expr.times import Duration, Month, Time
from bireme.lang.expr.values import Grouped, go_type, is_int, is_number


def _bad(name: str, value: Any) -> LangError:
    return LangError(f"invalid argument for {name} (type {go_type(value)})")


def length(value: Any) -> int:
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise _bad("len", value)


def type_of(value: Any) -> str:
    if value is None:
        return "nil"
    for kind, name in _TYPES:
        if isinstance(value, kind):
            return name
    return "func" if callable(value) else "struct"


_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (bool, "bool"),
    (Duration, "time.Duration"),
    (Month, "time.Month"),
    (Time, "time.Time"),
    (int, "int"),
    (float, "float"),
    (str, "string"),
    (list, "array"),
    (dict, "map"),
)


def absolute(value: Any) -> Any:
    if not is_number(value):
        raise _bad("abs", value)
    return values.negate(value) if value < 0 else value


def ceil(value: Any) -> float:
    return _rounded("ceil", value, math.ceil)


def floor(value: Any) -> float:
    return _rounded("floor", value, math.floor)


def round_half_away(value: Any) -> float:
    return _rounded("round", value, lambda v: math.trunc(v + math.copysign(0.5, v)))


def _rounded(name: str, value: Any, how: Any) -> float:
    if not is_number(value):
        raise _bad(name, value)
    as_float = float(value)
    if math.isinf(as_float) or math.isnan(as_float) or as_float.is_integer():
        return as_float
    return math.copysign(float(how(as_float)), as_float)


def to_int(value: Any) -> int:
    if isinstance(value, float):
        return _int_of_float(value)
    if is_number(value):
        return int(value)
    if isinstance(value, str):
        return _int_of_text(value)
    raise _bad("int", value)


def _int_of_float(value: float) -> int:
    """Out of range gives the smallest int, as on the usual processors."""
    return int(value) if abs(value) < 1 << 63 else -(1 << 63)


def _int_of_text(value: str) -> int:
    digits = value[1:] if value[:1] in ("+", "-") else value
    if not (digits.isascii() and digits.isdigit()) or not -(1 << 63) <= int(value) < 1 << 63:
        raise LangError(f"invalid operation: int({value})")
    return int(value)


def to_float(value: Any) -> float:
    if is_number(value) and not isinstance(value, Duration):
        return float(value)
    if isinstance(value, str):
        try:
            if value.strip() == value:
                return float.fromhex(value) if value[:2] in ("0x", "0X") else float(value)
        except ValueError:
            pass
        raise LangError(f"invalid operation: float({value})")
    raise _bad("float", value)


def to_json(value: Any) -> str:
    return gojson.dumps(value, indent="  ")


def from_json(value: Any) -> Any:
    if not isinstance(value, str):
        raise LangError(f"cannot use {go_type(value)} as argument (type string) to call fromJSON")
    try:
        return json.loads(value, parse_int=float, parse_constant=_no_constant)
    except RecursionError:
        raise LangError("the JSON text is nested too deep") from None
    except ValueError as error:
        raise LangError(f"invalid JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"invalid character {name!r}")


def to_base64(value: Any) -> str:
    return base64.b64encode(builtins_text.string("toBase64", value).encode()).decode()


def from_base64(value: Any) -> str:
    try:
        raw = base64.b64decode(builtins_text.string("fromBase64", value), validate=True)
    except (binascii.Error, ValueError):
        raise LangError("illegal base64 data") from None
    return raw.decode("utf-8", "replace")


def _numbers(name: str, args: tuple[Any, ...], depth: int = 0) -> list[Any]:
    """All numbers in the arguments, lists opened."""
    if depth > 20:
        raise LangError(f"recursion depth exceeded in {name}")
    found: list[Any] = []
    for arg in args:
        if isinstance(arg, list):
            found += _numbers(name, tuple(arg), depth + 1)
        elif is_number(arg):
            found.append(arg)
        else:
            raise _bad(name, arg)
    return found


def largest(*args: Any) -> Any:
    return args[0] if _is_alone(args) else max(_numbers("max", args), default=None)


def smallest(*args: Any) -> Any:
    return args[0] if _is_alone(args) else min(_numbers("min", args), default=None)


def _is_alone(args: tuple[Any, ...]) -> bool:
    """One value that is no list has nothing to be compared with: whatever it is, it is the answer."""
    return len(args) == 1 and not isinstance(args[0], list)


def mean(*args: Any) -> Any:
    numbers = _numbers("mean", args)
    return sum(map(float, numbers)) / len(numbers) if numbers else 0.0


def median(*args: Any) -> Any:
    numbers = sorted(map(float, _numbers("median", args)))
    if not numbers:
        return 0.0
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


def _list(name: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise LangError(f"cannot {name} from {go_type(value)}")


def first(value: Any) -> Any:
    return None if type(value) is dict else get(value, 0)


def last(value: Any) -> Any:
    return None if type(value) is dict else get(value, -1)


def get(value: Any, key: Any) -> Any:
    """The element, or nil when there is none. Raises LangError for a key of a type that selects nothing there."""
    if isinstance(value, Grouped):
        return value.read(key) or None
    if isinstance(value, dict):
        if key is not None and not isinstance(key, str):
            raise LangError(f"cannot use {go_type(key)} to get an element from {go_type(value)}")
        return value.get(key)
    if isinstance(value, (list, str)):
        index = _index(key, len(value))
        return value[index] if 0 <= index < len(value) else None
    return None


def _index(key: Any, size: int) -> int:
    if isinstance(key, bool) or not is_number(key):
        raise LangError(f"elements are selected by a number, not {go_type(key)}")
    index = int(key)
    return index + size if index < 0 else index


def take(value: Any, count: Any) -> list[Any]:
    items = _list("take", value)
    if not is_int(count):
        raise LangError(f"cannot use {go_type(count)} as argument (type int) to call take")
    if count < 0:
        raise LangError(f"cannot take {count} elements")
    return items[:count]


def _map(name: str, value: Any) -> dict[Any, Any]:
    if isinstance(value, dict):
        return value
    raise LangError(f"cannot get {name} from {go_type(value)}")


def _sorted_keys(value: dict[Any, Any]) -> list[Any]:
    """Go's order is random; ours is the same every time."""
    return sorted(value, key=values.text)


def keys(value: Any) -> list[Any]:
    return _sorted_keys(_map("keys", value))


def values_of(value: Any) -> list[Any]:
    return [value[key] for key in _sorted_keys(_map("values", value))]


def to_pairs(value: Any) -> list[Any]:
    return [[key, value[key]] for key in _sorted_keys(_map("toPairs", value))]


def from_pairs(value: Any) -> Grouped | dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in _list("transform", value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise LangError(f"invalid pair {values.text(pair)}")
        made[values.hashable(pair[0])] = pair[1]
    return made


def reverse(value: Any) -> list[Any]:
    return _list("reverse", value)[::-1]


def uniq(value: Any) -> list[Any]:
    allowance = values.Allowance()
    kept: dict[Any, Any] = {}
    for item in _list("uniq", value):
        kept.setdefault(_identity(item, allowance), item)
    return list(kept.values())


def _identity(value: Any, allowance: values.Allowance) -> Any:
    """Something hashable that is equal for equal values only."""
    if isinstance(value, list):
        allowance.take(len(value))
        return (list, tuple(_identity(item, allowance) for item in value))
    if isinstance(value, dict):
        allowance.take(len(value))
        pairs = ((key, _identity(item, allowance)) for key, item in value.items())
        return (dict, frozenset(pairs))
    return (bool if isinstance(value, bool) else float if is_number(value) else type(value), value)


def concat(*args: Any) -> list[Any]:
    made: list[Any] = []
    for arg in args:
        made += _list("concat", arg)
    return made


def flatten(value: Any) -> list[Any]:
    made: list[Any] = []
    pending = _list("flatten", value)[::-1]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item[::-1]
        else:
            made.append(item)
        if len(made) > values.MEMORY_BUDGET:
            raise OverBudget("memory budget exceeded")
    return made


def sort(value: Any, order: Any = "asc") -> list[Any]:
    """What turns out to be no list when it runs has no elements to sort; the static check refuses what never is."""
    items = value if isinstance(value, list) else []
    return [items[rank] for rank in predicates.sorted_ranks(items, predicates.order_of(order))]


def _int(name: str, value: Any) -> int:
    if is_int(value):
        return int(value)
    raise LangError(f"cannot use {go_type(value)} to call {name}")


def bit_and(a: Any, b: Any) -> int:
    return _int("bitand", a) & _int("bitand", b)


def bit_or(a: Any, b: Any) -> int:
    return _int("bitor", a) | _int("bitor", b)


def bit_xor(a: Any, b: Any) -> int:
    return _int("bitxor", a) ^ _int("bitxor", b)


def bit_nand(a: Any, b: Any) -> int:
    return _int("bitnand", a) & ~_int("bitnand", b)


def bit_not(a: Any) -> int:
    return ~_int("bitnot", a)


def _shift(name: str, by: Any) -> int:
    count = _int(name, by)
    if count < 0:
        raise LangError("invalid operation: negative shift count")
    return count


def bit_shl(a: Any, b: Any) -> int:
    value, count = _int("bitshl", a), _shift("bitshl", b)
    return values.int64(value << count) if count < 64 else 0


def bit_shr(a: Any, b: Any) -> int:
    return _int("bitshr", a) >> min(_shift("bitshr", b), 64)


def bit_ushr(a: Any, b: Any) -> int:
    value, count = _int("bitushr", a), _shift("bitushr", b)
    return values.int64((value % (1 << 64)) >> count)


FUNCTIONS: Final[dict[str, Signature]] = {
    "len": (length, 1, 1),
    "type": (type_of, 1, 1),
    "abs": (absolute, 1, 1),
    "ceil": (ceil, 1, 1),
    "floor": (floor, 1, 1),
    "round": (round_half_away, 1, 1),
    "int": (to_int, 1, 1),
    "float": (to_float, 1, 1),
    "string": (values.text, 1, 1),
    "max": (largest, 1, MANY),
    "min": (smallest, 1, MANY),
    "mean": (mean, 1, MANY),
    "median": (median, 1, MANY),
    "toJSON": (to_json, 1, 1),
    "fromJSON": (from_json, 1, 1),
    "toBase64": (to_base64, 1, 1),
    "fromBase64": (from_base64, 1, 1),
    "first": (first, 1, 1),
    "last": (last, 1, 1),
    "get": (get, 2, 2),
    "take": (take, 2, 2),
    "keys": (keys, 1, 1),
    "values": (values_of, 1, 1),
    "toPairs": (to_pairs, 1, 1),
    "fromPairs": (from_pairs, 1, 1),
    "reverse": (reverse, 1, 1),
    "uniq": (uniq, 1, 1),
    "concat": (concat, 1, MANY),
    "flatten": (flatten, 1, 1),
    "sort": (sort, 1, 2),
    "bitand": (bit_and, 2, 2),
    "bitor": (bit_or, 2, 2),
    "bitxor": (bit_xor, 2, 2),
    "bitnand": (bit_nand, 2, 2),
    "bitnot": (bit_not, 1, 1),
    "bitshl": (bit_shl, 2, 2),
    "bitshr": (bit_shr, 2, 2),
    "bitushr": (bit_ushr, 2, 2),
    **builtins_text.FUNCTIONS,
    **builtins_time.FUNCTIONS,
}
