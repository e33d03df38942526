"""Go's view of our values: type names, equality, order, arithmetic, text."""

import math
from collections.abc import Callable
from typing import Any, Final

from bireme.lang.errors import LangError, OverBudget
from bireme.lang.expr.times import Duration, Month, Time

MEMORY_BUDGET: Final = 1_000_000


class NilList(list[Any]):
    """Go's nil slice: an empty list that counts as nil for `?.` and `??`."""


class Grouped(dict[Any, Any]):
    """What groupBy makes: a map with keys of any type, where a missing key reads as a nil list."""

    def read(self, key: Any) -> Any:
        """The group of that key; 1 and 1.0 are different keys. Raises LangError for a list or map as key."""
        found = self.get(hashable(key))
        if found is None or not any(type(k) is type(key) for k in self if k == key):
            return NilList()
        return found


class Library(dict[str, Any]):
    """A namespace of functions, such as sprig; filled when first asked."""


def int64(value: int) -> int:
    """Wraps around like Go's int."""
    if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
        return value
    return (value + 0x8000000000000000) % 0x10000000000000000 - 0x8000000000000000


def is_number(value: Any) -> bool:
    kind = type(value)
    return kind is int or kind is float or (isinstance(value, (int, float)) and kind is not bool)


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, (bool, Duration))


_NAMES: Final[dict[type, str]] = {
    bool: "bool",
    int: "int",
    float: "float64",
    str: "string",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    Grouped: "map[interface {}][]interface {}",
    Duration: "time.Duration",
    Month: "time.Month",
    Time: "time.Time",
    bytes: "[]uint8",
}


def go_type(value: Any) -> str:
    """The type as Go prints it, for messages."""
    if value is None:
        return "<nil>"
    if type(value) in _NAMES:
        return _NAMES[type(value)]
    if isinstance(value, dict):
        return "map[string]interface {}"
    return "func" if callable(value) else "int64" if isinstance(value, int) else "unknown"


class Allowance:
    """How many more elements may be looked at: shared parts can make a small value endless to walk."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MEMORY_BUDGET

    def take(self, count: int) -> None:
        """Raises OverBudget when there are not that many left."""
        self.left -= count
        if self.left < 0:
            raise OverBudget("memory budget exceeded")


def equal(a: Any, b: Any, allowance: Allowance | None = None) -> bool:
    """Numbers compare by value, lists element by element, everything else only with its own type."""
    if type(a) is type(b):
        if isinstance(a, (list, dict)):
            return _same_parts(a, b, allowance or Allowance())
        return bool(a == b)
    return is_number(a) and is_number(b) and bool(a == b)


def _same_parts(a: Any, b: Any, allowance: Allowance) -> bool:
    if len(a) != len(b):
        return False
    allowance.take(len(a))
    if isinstance(a, list):
        return all(equal(x, y, allowance) for x, y in zip(a, b, strict=True))
    return a.keys() == b.keys() and all(
        type(a[key]) is type(b[key]) and equal(a[key], b[key], allowance) for key in a
    )


def contains(needle: Any, stack: Any) -> bool:
    """The operator `in`."""
    if stack is None:
        return False
    if isinstance(stack, list):
        if isinstance(needle, str):
            return needle in stack
        return any(equal(needle, item) for item in stack)
    if isinstance(stack, dict):
        if not isinstance(needle, str) and not isinstance(stack, Grouped):
            if needle is None:
                return False
            raise LangError(f"cannot use {go_type(needle)} as type string in map index")
        return needle in stack
    raise LangError(f'operator "in" not defined on {go_type(stack)}')


def _mismatch(op: str, a: Any, b: Any) -> LangError:
    return LangError(f"invalid operation: {go_type(a)} {op} {go_type(b)}")


def less(a: Any, b: Any, op: str = "<") -> bool:
    """Order among numbers, texts, times or durations; anything else has none."""
    if is_number(a) and is_number(b):
        return bool(a < b)
    if type(a) is type(b) and isinstance(a, (str, Time)):
        return bool(a < b)
    raise _mismatch(op, a, b)


def compare(op: str) -> Callable[[Any, Any], bool]:
    """`<`, `>`, `<=` or `>=` as a function."""
    python: dict[str, Callable[[Any, Any], bool]] = {
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
        "<=": lambda a, b: a <= b,
        ">=": lambda a, b: a >= b,
    }
    direct = python[op]

    def run(a: Any, b: Any) -> bool:
        less(a, b, op)  # only to complain about what cannot be compared
        return direct(a, b)

    return run


def add(a: Any, b: Any) -> Any:
    if is_number(a) and is_number(b):
        if isinstance(a, Duration) or isinstance(b, Duration):
            return Duration(int64(int(a) + int(b)))
        total = a + b
        return int64(total) if isinstance(total, int) else total
    if type(a) is str and type(b) is str:
        if len(a) + len(b) > 50 * MEMORY_BUDGET:
            raise OverBudget("memory budget exceeded")
        return a + b
    if isinstance(a, Time) and isinstance(b, Duration):
        return a.plus(b)
    if isinstance(b, Time) and isinstance(a, Duration):
        return b.plus(a)
    raise _mismatch("+", a, b)


def subtract(a: Any, b: Any) -> Any:
    if is_number(a) and is_number(b):
        if isinstance(a, Duration) or isinstance(b, Duration):
            return Duration(int64(int(a) - int(b)))
        difference = a - b
        return int64(difference) if isinstance(difference, int) else difference
    if isinstance(a, Time) and isinstance(b, Time):
        return a.minus(b)
    if isinstance(a, Time) and isinstance(b, Duration):
        return a.plus(Duration(-b))
    raise _mismatch("-", a, b)


def multiply(a: Any, b: Any) -> Any:
    if is_number(a) and is_number(b):
        if isinstance(a, Duration) or isinstance(b, Duration):
            return Duration(int64(int(a * b)))
        product = a * b
        return int64(product) if isinstance(product, int) else product
    raise _mismatch("*", a, b)


def divide(a: Any, b: Any) -> float:
    """Always a float; by zero it is an infinity or NaN."""
    if not (is_number(a) and is_number(b)):
        raise _mismatch("/", a, b)
    if b == 0:
        top = float(a)
        negative = math.copysign(1.0, float(b)) < 0
        return (
            math.nan
            if top == 0 or top != top
            else math.copysign(math.inf, -top if negative else top)
        )
    return float(a) / float(b)


def modulo(a: Any, b: Any) -> int:
    if not (is_int(a) and is_int(b)):
        raise _mismatch("%", a, b)
    if b == 0:
        raise LangError("runtime error: integer divide by zero")
    return int(abs(a) % abs(b)) * (1 if a >= 0 else -1)


def power(a: Any, b: Any) -> float:
    if not (is_number(a) and is_number(b)) or Duration in (type(a), type(b)):
        raise _mismatch("**", a, b)
    try:
        return math.pow(a, b)
    except OverflowError:
        odd = float(b).is_integer() and int(b) % 2 == 1
        return -math.inf if a < 0 and odd else math.inf
    except ValueError:
        if a == 0:
            return math.inf
        return math.nan


def span(a: Any, b: Any) -> list[int]:
    """`a..b`, both ends included; empty when b < a."""
    if not (is_number(a) and is_number(b)):
        raise _mismatch("..", a, b)
    first, last = int(a), int(b)
    if last - first >= MEMORY_BUDGET:
        raise OverBudget("memory budget exceeded")
    return list(range(first, last + 1))


def negate(value: Any) -> Any:
    if not is_number(value):
        raise LangError(f"invalid operation: - (mismatched type {go_type(value)})")
    if isinstance(value, Duration):
        return Duration(-value)
    return int64(-value) if isinstance(value, int) else -value


def float_text(value: float) -> str:
    """A float as Go's %v prints it: the shortest digits, with an exponent below 1e-4 and from 1e6 on."""
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa, _, exponent = repr(value).partition("e")
    digits, point = _digits(mantissa, int(exponent or 0))
    return _layout(digits, point, "-" if value < 0 else "", -4 <= point - 1 < 6)


def _digits(mantissa: str, exponent: int) -> tuple[str, int]:
    """Significant digits and where the decimal point stands after them."""
    whole, _, part = mantissa.lstrip("-").partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) + exponent - (len(whole + part) - len(digits))
    return digits.rstrip("0") or "0", point


def _layout(digits: str, point: int, sign: str, plain: bool) -> str:
    if not plain:
        shown = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        power = point - 1
        return f"{sign}{shown}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def json_float(value: float) -> str:
    """A float as Go's encoding/json writes it. Raises LangError for what JSON cannot hold."""
    if value != value or math.isinf(value):
        raise LangError(f"json: unsupported value: {float_text(value)}")
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa, _, exponent = repr(value).partition("e")
    digits, point = _digits(mantissa, int(exponent or 0))
    text = _layout(digits, point, "-" if value < 0 else "", 1e-6 <= abs(value) < 1e21)
    return text.replace("e-0", "e-") if "e-0" in text else text


def text(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, str):
        return value
    return _text(value, Allowance())


def _text(value: Any, allowance: Allowance) -> str:
    if isinstance(value, (list, tuple)):
        allowance.take(len(value))
        return f"[{' '.join(_text(item, allowance) for item in value)}]"
    if isinstance(value, dict):
        allowance.take(len(value))
        keys = sorted(value, key=_map_order)
        return f"map[{' '.join(f'{_scalar(key)}:{_text(value[key], allowance)}' for key in keys)}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, bytes):
        return f"[{' '.join(map(str, value))}]"
    return str(value)


def _map_order(key: Any) -> tuple[int, Any]:
    return (0, float(key)) if isinstance(key, (int, float)) else (1, text(key))


def text_test(op: str, test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    """An operator between two texts; nil on either side makes it false."""

    def run(a: Any, b: Any) -> bool:
        if a is None or b is None:
            return False
        if not isinstance(a, str) or not isinstance(b, str):
            raise _mismatch(op, a, b)
        return test(a, b)

    return run


def hashable(value: Any) -> Any:
    """The value as a key of a map. Raises LangError where Go would panic."""
    if isinstance(value, (list, dict)):
        raise LangError(f"hash of unhashable type: {go_type(value)}")
    return value
