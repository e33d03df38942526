"""The static types of expr: what is known of a value before the expression runs. Checked as Go's checker does it."""

from typing import Any, Final

import msgspec

from bireme.lang.expr.times import Duration, Month, Time


class Type(msgspec.Struct, frozen=True):
    """What is known of a value. `elem` is the type of an array's elements, as far as that is known."""

    kind: str
    elem: "Type | None" = None

    def __str__(self) -> str:
        return _SHOWN.get(self.kind, self.kind)

    @property
    def is_open(self) -> bool:
        """Whether anything may be found there when it runs."""
        return self.kind in ("unknown", "any")

    @property
    def is_number(self) -> bool:
        return self.kind in ("int", "float")

    @property
    def inside(self) -> "Type":
        """The type of an element."""
        if self.kind == "array":
            return self.elem or ANY
        return ANY if self.kind in ("map", "groups") else UNKNOWN


_SHOWN: Final = {
    "float": "float64",
    "array": "[]interface {}",
    "map": "map[string]interface {}",
    "groups": "map[interface {}][]interface {}",
    "time": "time.Time",
    "duration": "time.Duration",
    "month": "time.Month",
    "location": "*time.Location",
    "any": "interface {}",
    "nil": "unknown",
}
UNKNOWN: Final = Type("unknown")  # nothing was said of it
ANY: Final = Type("any")  # it was said that it may be anything
NIL: Final = Type("nil")
BOOL: Final = Type("bool")
INT: Final = Type("int")
FLOAT: Final = Type("float")
STRING: Final = Type("string")
ARRAY: Final = Type("array")
MAP: Final = Type("map")
TIME: Final = Type("time")
DURATION: Final = Type("duration")
FUNCTION: Final = Type("func")

_OF_PYTHON: Final[dict[type, Type]] = {
    type(None): NIL,
    bool: BOOL,
    int: INT,
    float: FLOAT,
    str: STRING,
    list: ARRAY,
    dict: MAP,
    Time: TIME,
    Duration: DURATION,
    Month: Type("month"),
}


def of(kind: type[Any]) -> Type:
    """What a variable of that Python type is."""
    return _OF_PYTHON.get(kind, UNKNOWN)


def array_of(elem: Type) -> Type:
    return Type("array", elem)


def assignable(value: Type, to: Type) -> bool:
    """Whether a value of one type may stand where another is declared."""
    if value.kind == "nil":
        return to.kind in ("any", "map", "groups", "array", "func", "location")
    if "unknown" in (value.kind, to.kind) or to.kind == "nil":
        return False
    return to.kind in ("any", value.kind)


def comparable(one: Type, other: Type) -> bool:
    """Whether `==` has a meaning between them."""
    if one.is_open or other.is_open or "nil" in (one.kind, other.kind):
        return True
    return (one.is_number and other.is_number) or assignable(one, other)


def compatible(one: Type, other: Type, *kinds: str) -> bool:
    """Whether both may turn out to be of one of the kinds: at least one is open, the other is not something else."""
    if one.is_open and other.is_open:
        return True
    return (one.is_open and other.kind in kinds) or (other.is_open and one.kind in kinds)
