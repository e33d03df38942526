"""The syntax tree. `at` is where the node starts in the text, for error messages."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: nil, bool, int, float, text."""

    value: Any
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable of the environment, a `let`, or `$env`."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Pointer:
    """`#` (the element), `#index`, `#acc` inside a predicate."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`not x`, `-x`, `+x`."""

    op: str
    value: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and what joins them."""

    op: str
    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Member:
    """`a.b` and `a[b]`; `optional` for `a?.b`."""

    target: "Node"
    key: "Node"
    optional: bool
    at: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The extent of an optional chain: nil anywhere inside makes the whole nil."""

    value: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Slice:
    """`a[from:to]`."""

    target: "Node"
    start: "Node | None"
    stop: "Node | None"
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the environment or a method, called."""

    target: "Node"
    args: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the language, called."""

    name: str
    args: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Predicate:
    """The part of a builtin evaluated per element."""

    body: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value; body`."""

    name: str
    value: "Node"
    body: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """`a; b; c`: the last is the value."""

    items: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Conditional:
    """`test ? yes : no`, also written with if and else."""

    test: "Node"
    yes: "Node"
    no: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]`."""

    items: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Map:
    """`{key: value}`."""

    pairs: "tuple[tuple[Node, Node], ...]"
    at: int


Node = (
    Constant
    | Name
    | Pointer
    | Unary
    | Binary
    | Member
    | Chain
    | Slice
    | Call
    | Builtin
    | Predicate
    | Let
    | Sequence
    | Conditional
    | Array
    | Map
)
