"""The functions of the language that work on text."""

from typing import Any, Final

from bireme.lang.errors import LangError, OverBudget
from bireme.lang.expr import values
from bireme.lang.expr.signature import Signature

_BLANK: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def string(name: str, value: Any) -> str:
    """The text itself. Raises LangError, naming the function, for anything else."""
    if isinstance(value, str):
        return value
    raise LangError(f"cannot use {values.go_type(value)} as argument (type string) to call {name}")


def _int(name: str, value: Any) -> int:
    if values.is_int(value):
        return int(value)
    raise LangError(f"cannot use {values.go_type(value)} as argument (type int) to call {name}")


def trim(text: Any, characters: Any = _BLANK) -> str:
    return string("trim", text).strip(string("trim", characters) or "\0")


def trim_prefix(text: Any, prefix: Any = " ") -> str:
    return string("trimPrefix", text).removeprefix(string("trimPrefix", prefix))


def trim_suffix(text: Any, suffix: Any = " ") -> str:
    return string("trimSuffix", text).removesuffix(string("trimSuffix", suffix))


def upper(text: Any) -> str:
    return string("upper", text).upper()


def lower(text: Any) -> str:
    return string("lower", text).lower()


def split(text: Any, separator: Any, count: Any = -1) -> list[Any]:
    return _split(string("split", text), string("split", separator), _int("split", count))


def _split(text: str, separator: str, count: int) -> list[Any]:
    """Go's SplitN: at most `count` parts, an empty separator splits into characters."""
    if count == 0:
        return []
    if separator:
        return list(text.split(separator, count - 1 if count > 0 else -1))
    if count < 0 or count >= len(text):
        return list(text)
    return [*text[: count - 1], text[count - 1 :]]


def split_after(text: Any, separator: Any, count: Any = -1) -> list[Any]:
    sep = string("splitAfter", separator)
    parts = _split(string("splitAfter", text), sep, _int("splitAfter", count))
    return [part + sep for part in parts[:-1]] + parts[-1:]


def replace(text: Any, old: Any, new: Any, count: Any = -1) -> str:
    source, target = string("replace", text), string("replace", new)
    if (len(source) + 1) * len(target) > 50 * values.MEMORY_BUDGET:
        raise OverBudget("memory budget exceeded")
    return source.replace(string("replace", old), target, _int("replace", count))


def repeat(text: Any, count: Any) -> str:
    times = _int("repeat", count)
    if times < 0:
        raise LangError(f"invalid argument for repeat (expected positive integer, got {times})")
    if times > values.MEMORY_BUDGET or times * len(string("repeat", text)) > 10_000_000:
        raise OverBudget("memory budget exceeded")
    return string("repeat", text) * times


def join(parts: Any, glue: Any = "") -> str:
    if not isinstance(parts, list):
        raise LangError(f"cannot use {values.go_type(parts)} as argument (type array) to call join")
    return string("join", glue).join(string("join", part) for part in parts)


def index_of(text: Any, part: Any) -> int:
    return string("indexOf", text).encode().find(string("indexOf", part).encode())


def last_index_of(text: Any, part: Any) -> int:
    return string("lastIndexOf", text).encode().rfind(string("lastIndexOf", part).encode())


def has_prefix(text: Any, prefix: Any) -> bool:
    return string("hasPrefix", text).startswith(string("hasPrefix", prefix))


def has_suffix(text: Any, suffix: Any) -> bool:
    return string("hasSuffix", text).endswith(string("hasSuffix", suffix))


FUNCTIONS: Final[dict[str, Signature]] = {
    "trim": (trim, 1, 2),
    "trimPrefix": (trim_prefix, 1, 2),
    "trimSuffix": (trim_suffix, 1, 2),
    "upper": (upper, 1, 1),
    "lower": (lower, 1, 1),
    "split": (split, 2, 3),
    "splitAfter": (split_after, 2, 3),
    "replace": (replace, 3, 4),
    "repeat": (repeat, 2, 2),
    "join": (join, 1, 2),
    "indexOf": (index_of, 2, 2),
    "lastIndexOf": (last_index_of, 2, 2),
    "hasPrefix": (has_prefix, 2, 2),
    "hasSuffix": (has_suffix, 2, 2),
}
