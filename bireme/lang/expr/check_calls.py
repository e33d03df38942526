"""What each builtin takes and gives, for the static check. Facts of expr-lang 1.17."""

from collections.abc import Callable, Sequence
from typing import Final

from bireme.lang.errors import LangError
from bireme.lang.expr.types import (
    ANY,
    ARRAY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MAP,
    STRING,
    TIME,
    Type,
    assignable,
)

_S, _I, _A, _X = "string", "int", "array", "any"
_TEXTS: Final = Type("array", STRING)
_Overloads = tuple[tuple[str, ...], ...]

SIGNATURES: Final[dict[str, tuple[_Overloads, Type]]] = {
    "type": (((_X,),), STRING),
    "string": (((_X,),), STRING),
    "toJSON": (((_X,),), STRING),
    "fromJSON": (((_S,),), ANY),
    "toBase64": (((_S,),), STRING),
    "fromBase64": (((_S,),), STRING),
    "upper": (((_S,),), STRING),
    "lower": (((_S,),), STRING),
    "trim": (((_S,), (_S, _S)), STRING),
    "trimPrefix": (((_S, _S), (_S,)), STRING),
    "trimSuffix": (((_S, _S), (_S,)), STRING),
    "split": (((_S, _S), (_S, _S, _I)), _TEXTS),
    "splitAfter": (((_S, _S), (_S, _S, _I)), _TEXTS),
    "replace": (((_S, _S, _S, _I), (_S, _S, _S)), STRING),
    "repeat": (((_S, _I),), STRING),
    "join": (((_A, _S), (_A,)), STRING),
    "indexOf": (((_S, _S),), INT),
    "lastIndexOf": (((_S, _S),), INT),
    "hasPrefix": (((_S, _S),), BOOL),
    "hasSuffix": (((_S, _S),), BOOL),
    "duration": (((_S,),), DURATION),
    "timezone": (((_S,),), Type("location")),
    "sort": (((_A, _S), (_A,)), ARRAY),
    "bitnot": (((_I,),), INT),
    **dict.fromkeys(
        ("bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr"), (((_I, _I),), INT)
    ),
}
"""By name: the argument lists it may have, and what it gives."""

_OPEN: Final = ("unknown", "any")
_TAKES: Final[dict[str, tuple[tuple[str, ...], str, Type | None]]] = {
    "len": (("array", "map", "groups", "string"), "invalid argument for len (type {})", INT),
    "abs": (("int", "float"), "invalid argument for abs (type {})", None),
    "ceil": (("int", "float"), "invalid argument for ceil (type {})", FLOAT),
    "floor": (("int", "float"), "invalid argument for floor (type {})", FLOAT),
    "round": (("int", "float"), "invalid argument for round (type {})", FLOAT),
    "int": (("int", "float", "month", "duration", "string"), "invalid argument for int (type {})", INT),
    "float": (("int", "float", "month", "duration", "string"), "invalid argument for float (type {})", FLOAT),
    "keys": (("map", "groups"), "cannot get keys from {}", ARRAY),
    "values": (("map", "groups"), "cannot get values from {}", ARRAY),
    "toPairs": (("map", "groups"), "cannot transform {} to pairs", ARRAY),
    "fromPairs": (("array",), "cannot transform {} from pairs", MAP),
    "reverse": (("array",), "cannot reverse {}", ARRAY),
    "uniq": (("array",), "cannot uniq {}", ARRAY),
    "flatten": (("array",), "cannot flatten {}", ARRAY),
}  # fmt: skip
"""Of those with one argument: the kinds it may be, what is said of others, what comes of it (None: what it was)."""


def result(name: str, args: Sequence[Type]) -> Type:
    """The type of a call. Raises LangError when the arguments cannot be right."""
    if name in SIGNATURES:
        return _overloaded(name, args)
    if name in _TAKES:
        return _of_one(name, args)
    return _OTHERS[name](name, args)


def _overloaded(name: str, args: Sequence[Type]) -> Type:
    overloads, gives = SIGNATURES[name]
    complaints = [_complaint(name, wanted, args) for wanted in overloads]
    if "" in complaints:
        return gives
    raise LangError(complaints[-1])


def _complaint(name: str, wanted: tuple[str, ...], args: Sequence[Type]) -> str:
    """Why the arguments are not these; empty when they are."""
    if len(args) != len(wanted):
        return f"{'too many' if len(args) > len(wanted) else 'not enough'} arguments to call {name}"
    for arg, kind in zip(args, wanted, strict=True):
        if arg.kind == "nil" and kind != "any":
            return f"cannot use nil as argument (type {Type(kind)}) to call {name}"
        if not arg.is_open and arg.kind != "nil" and not assignable(arg, Type(kind)):
            return f"cannot use {arg} as argument (type {Type(kind)}) to call {name}"
    return ""


def _count(args: Sequence[Type], wanted: int) -> None:
    if len(args) != wanted:
        raise LangError(f"invalid number of arguments (expected {wanted}, got {len(args)})")


def _of_one(name: str, args: Sequence[Type]) -> Type:
    _count(args, 1)
    kinds, complaint, gives = _TAKES[name]
    if args[0].kind not in (*kinds, *_OPEN):
        raise LangError(complaint.format(args[0]))
    return gives or (ANY if args[0].is_open else args[0])


def _aggregate(name: str, args: Sequence[Type]) -> Type:
    if not args:
        raise LangError(f"not enough arguments to call {name}")
    for arg in args:
        if arg.is_open or arg.kind == "array":
            return ANY
        if arg.kind not in ("int", "float", "month", "duration"):
            raise LangError(f"invalid argument for {name} (type {arg})")
    return args[0]


def _end(name: str, args: Sequence[Type]) -> Type:
    _count(args, 1)
    if args[0].is_open:
        return ANY
    if args[0].kind != "array":
        raise LangError(f"cannot get {name} element from {args[0]}")
    return STRING if args[0] == _TEXTS else ANY


def _take(_: str, args: Sequence[Type]) -> Type:
    _count(args, 2)
    if args[0].kind not in ("array", *_OPEN):
        raise LangError(f"cannot take from {args[0]}")
    if args[1].kind not in ("int", *_OPEN):
        raise LangError(f"cannot take {args[1]} elements")
    return ANY if args[0].is_open else args[0]


def _concat(_: str, args: Sequence[Type]) -> Type:
    if not args:
        raise LangError("invalid number of arguments (expected at least 1, got 0)")
    for arg in args:
        if arg.kind not in ("array", *_OPEN):
            raise LangError(f"cannot concat {arg}")
    return ARRAY


def _now(_: str, args: Sequence[Type]) -> Type:
    if args and (len(args) > 1 or args[0].kind != "location"):
        raise LangError(f"invalid number of arguments (expected 0, got {len(args)})")
    return TIME


def _date(_: str, args: Sequence[Type]) -> Type:
    if not args:
        raise LangError("invalid number of arguments (expected at least 1, got 0)")
    rest = len(args) - (args[0].kind == "location")
    if rest > 3:
        raise LangError(f"invalid number of arguments (expected at most 3, got {rest})")
    return TIME


def _get(_: str, args: Sequence[Type]) -> Type:
    _count(args, 2)
    base, key = args
    if base.is_open:
        return ANY
    if base.kind == "array" and key.kind not in ("int", *_OPEN):
        raise LangError(f"non-integer slice index {key}")
    if base.kind == "map" and key.kind not in ("string", *_OPEN):
        raise LangError(f"cannot use {key} to get an element from {base}")
    if base.kind not in ("array", "map", "groups"):
        raise LangError(f"type {base} does not support indexing")
    return base.inside


_OTHERS: Final[dict[str, Callable[[str, Sequence[Type]], Type]]] = {
    **dict.fromkeys(("max", "min", "mean", "median"), _aggregate),
    **dict.fromkeys(("first", "last"), _end),
    "take": _take,
    "concat": _concat,
    "now": _now,
    "date": _date,
    "get": _get,
}
