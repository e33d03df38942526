"""Which operators have a meaning between which types, and what comes of them. Facts of expr-lang 1.17."""

from collections.abc import Callable
from typing import Final

from bireme.lang.errors import LangError
from bireme.lang.expr.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    NIL,
    STRING,
    TIME,
    UNKNOWN,
    Type,
    array_of,
    assignable,
    comparable,
    compatible,
)

_NUMBERS: Final = ("int", "float")
_Operator = Callable[[Type, Type], Type | None]


def unary(op: str, value: Type) -> Type:
    """The type of `op value`. Raises LangError when there is none."""
    if op in ("not", "!"):
        if value == BOOL or value.is_open:
            return BOOL
    elif value.is_number or value.is_open:
        return UNKNOWN if value.is_open else value
    raise LangError(f"invalid operation: {op} (mismatched type {value})")


def binary(op: str, left: Type, right: Type) -> Type:
    """The type of `left op right`. Raises LangError when there is none."""
    found = _OPERATORS[op](left, right)
    if found is None:
        raise LangError(f"invalid operation: {op} (mismatched types {left} and {right})")
    return found


def _equality(left: Type, right: Type) -> Type | None:
    return BOOL if comparable(left, right) else None


def _logic(left: Type, right: Type) -> Type | None:
    both = left == BOOL and right == BOOL
    return BOOL if both or compatible(left, right, "bool") else None


def _order(left: Type, right: Type) -> Type | None:
    if left.is_number and right.is_number:
        return BOOL
    if left == right and left in (STRING, TIME, DURATION):
        return BOOL
    kinds = (*_NUMBERS, "string", "time", "duration")
    return BOOL if compatible(left, right, *kinds) else None


def _promoted(left: Type, right: Type) -> Type:
    return FLOAT if FLOAT in (left, right) else INT


def _plus(left: Type, right: Type) -> Type | None:
    if left.is_number and right.is_number:
        return _promoted(left, right)
    if left == right and left in (STRING, DURATION):
        return left
    if {left.kind, right.kind} == {"time", "duration"}:
        return TIME
    kinds = (*_NUMBERS, "string", "time", "duration")
    return UNKNOWN if compatible(left, right, *kinds) else None


def _minus(left: Type, right: Type) -> Type | None:
    if left.is_number and right.is_number:
        return _promoted(left, right)
    if left == right and left in (TIME, DURATION):
        return DURATION
    if (left, right) == (TIME, DURATION):
        return TIME
    kinds = (*_NUMBERS, "time", "duration")
    return UNKNOWN if compatible(left, right, *kinds) else None


def _times(left: Type, right: Type) -> Type | None:
    if left.is_number and right.is_number:
        return _promoted(left, right)
    if DURATION in (left, right) and all(t.is_number or t == DURATION for t in (left, right)):
        return DURATION
    return UNKNOWN if compatible(left, right, *_NUMBERS, "duration") else None


def _float(left: Type, right: Type) -> Type | None:
    both = left.is_number and right.is_number
    return FLOAT if both or compatible(left, right, *_NUMBERS) else None


def _modulo(left: Type, right: Type) -> Type | None:
    return INT if left == right == INT or compatible(left, right, "int") else None


def _span(left: Type, right: Type) -> Type | None:
    return array_of(INT) if left == right == INT or compatible(left, right, "int") else None


def _in(left: Type, right: Type) -> Type | None:
    if right.kind in ("map", "groups"):
        if right.kind == "map" and not left.is_open and not assignable(left, STRING):
            raise LangError(f"cannot use {left} as type string in map key")
        return BOOL
    if right.kind == "array":
        if not comparable(left, right.inside):
            raise LangError(f"cannot use {left} as type {right.inside} in array")
        return BOOL
    is_text = left.is_open and right == STRING
    return BOOL if is_text or right.is_open else None


def _text(left: Type, right: Type) -> Type | None:
    return BOOL if left == right == STRING or compatible(left, right, "string") else None


def _coalesce(left: Type, right: Type) -> Type | None:
    if left == NIL:
        return right
    if right == NIL:
        return left
    return left if assignable(right, left) else UNKNOWN


_OPERATORS: Final[dict[str, _Operator]] = {
    **dict.fromkeys(("==", "!="), _equality),
    **dict.fromkeys(("or", "||", "and", "&&"), _logic),
    **dict.fromkeys(("<", ">", "<=", ">="), _order),
    **dict.fromkeys(("/", "**", "^"), _float),
    **dict.fromkeys(("matches", "contains", "startsWith", "endsWith"), _text),
    "+": _plus,
    "-": _minus,
    "*": _times,
    "%": _modulo,
    "..": _span,
    "in": _in,
    "??": _coalesce,
}
