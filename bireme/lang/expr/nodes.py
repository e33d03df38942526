"""The syntax tree. `at` is where the node starts in the text, for error messages."""

from typing import Any

import msgspec


class Constant(msgspec.Struct, frozen=True):
    """A literal: nil, bool, int, float, text."""

    value: Any
    at: int


class Name(msgspec.Struct, frozen=True):
    """A variable of the environment, a `let`, or `$env`."""

    name: str
    at: int


class Pointer(msgspec.Struct, frozen=True):
    """`#` (the element), `#index`, `#acc` inside a predicate."""

    name: str
    at: int


class Unary(msgspec.Struct, frozen=True):
    """`not x`, `-x`, `+x`."""

    op: str
    value: "Node"
    at: int


class Binary(msgspec.Struct, frozen=True):
    """Two operands and what joins them."""

    op: str
    left: "Node"
    right: "Node"
    at: int


class Member(msgspec.Struct, frozen=True):
    """`a.b` and `a[b]`; `optional` for `a?.b`."""

    target: "Node"
    key: "Node"
    optional: bool
    at: int


class Chain(msgspec.Struct, frozen=True):
    """The extent of an optional chain: nil anywhere inside makes the whole nil."""

    value: "Node"
    at: int


class Slice(msgspec.Struct, frozen=True):
    """`a[from:to]`."""

    target: "Node"
    start: "Node | None"
    stop: "Node | None"
    at: int


class Call(msgspec.Struct, frozen=True):
    """A function of the environment or a method, called."""

    target: "Node"
    args: "tuple[Node, ...]"
    at: int


class Builtin(msgspec.Struct, frozen=True):
    """A function of the language, called."""

    name: str
    args: "tuple[Node, ...]"
    at: int


class Predicate(msgspec.Struct, frozen=True):
    """The part of a builtin evaluated per element."""

    body: "Node"
    at: int


class Let(msgspec.Struct, frozen=True):
    """`let name = value; body`."""

    name: str
    value: "Node"
    body: "Node"
    at: int


class Sequence(msgspec.Struct, frozen=True):
    """`a; b; c`: the last is the value."""

    items: "tuple[Node, ...]"
    at: int


class Conditional(msgspec.Struct, frozen=True):
    """`test ? yes : no`, also written with if and else."""

    test: "Node"
    yes: "Node"
    no: "Node"
    at: int


class Array(msgspec.Struct, frozen=True):
    """`[a, b]`."""

    items: "tuple[Node, ...]"
    at: int


class Map(msgspec.Struct, frozen=True):
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
