"""The static check: what cannot be right whatever the values are, said before anything runs, as Go's checker says it.

What it finds depends on the types of the variables only, so that one verdict serves for all evaluations of a kind.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bireme.lang.errors import LangError, Refused
from bireme.lang.expr import nodes
from bireme.lang.expr.check_calls import result
from bireme.lang.expr.check_operators import binary, unary
from bireme.lang.expr.grammar import BUILTINS, PREDICATES
from bireme.lang.expr.lexer import error_at
from bireme.lang.expr.types import (
    ANY,
    ARRAY,
    BOOL,
    FUNCTION,
    INT,
    MAP,
    NIL,
    STRING,
    UNKNOWN,
    Type,
    array_of,
    assignable,
    of,
)

_TEST: Final = frozenset(PREDICATES) - {"map", "sum", "groupBy", "sortBy", "reduce"}
_HAS_INDEX: Final = ("map", "reduce")


class Checker:
    """Checks one text against the types of its variables; those in neither table do not exist."""

    def __init__(
        self, text: str, variables: Mapping[str, Type], functions: Mapping[str, Any], strict: bool
    ) -> None:
        self.text = text
        self.variables = variables
        self.functions = functions
        self.strict = strict
        self.lets: dict[str, Type] = {}
        self.scopes: list[tuple[str, Type]] = []

    def type(self, tree: nodes.Node) -> Type:
        """The type of a node. Raises Refused."""
        return _KINDS[type(tree)](self, tree)

    def fail(self, message: str, at: int) -> Refused:
        return Refused(str(error_at(self.text, at, message)))

    def located(self, work: Callable[..., Type], at: int, *args: Any) -> Type:
        """The answer of `work`; a complaint of it gets the place."""
        try:
            return work(*args)
        except LangError as error:
            raise self.fail(str(error), at) from None

    def variable(self, name: str, at: int, strict: bool, builtins: bool = True) -> Type:
        found = self.variables.get(name)
        if found is not None:
            return found
        if name in self.functions:
            return UNKNOWN
        if builtins and (name in BUILTINS or name in PREDICATES):
            return FUNCTION
        if strict:
            raise self.fail(f"unknown name {name}", at)
        return UNKNOWN


def _constant(_: Checker, tree: nodes.Constant) -> Type:
    return of(type(tree.value))


def _name(checker: Checker, tree: nodes.Name) -> Type:
    if tree.name in checker.lets:
        return checker.lets[tree.name]
    if tree.name == "$env":
        return UNKNOWN
    return checker.variable(tree.name, tree.at, checker.strict)


def _pointer(checker: Checker, tree: nodes.Pointer) -> Type:
    if not checker.scopes:
        raise checker.fail("cannot use pointer accessor outside predicate", tree.at)
    builtin, collection = checker.scopes[-1]
    if tree.name == "":
        return UNKNOWN if collection.is_open else collection.inside
    if tree.name == "index" and builtin in _HAS_INDEX:
        return INT
    if tree.name == "acc" and builtin == "reduce":
        return UNKNOWN
    raise checker.fail(f"unknown pointer #{tree.name}", tree.at)


def _unary(checker: Checker, tree: nodes.Unary) -> Type:
    return checker.located(unary, tree.at, tree.op, checker.type(tree.value))


def _binary(checker: Checker, tree: nodes.Binary) -> Type:
    left, right = checker.type(tree.left), checker.type(tree.right)
    return checker.located(binary, tree.at, tree.op, left, right)


def _member(checker: Checker, tree: nodes.Member) -> Type:
    key = tree.key.value if isinstance(tree.key, nodes.Constant) else None
    if isinstance(tree.target, nodes.Name) and tree.target.name == "$env":
        if not isinstance(key, str):
            return UNKNOWN
        return checker.variable(key, tree.at, checker.strict and not tree.optional, builtins=False)
    base, wanted = checker.type(tree.target), checker.type(tree.key)
    if base.is_open:
        return UNKNOWN
    return checker.located(_inside, tree.at, base, wanted, key)


def _inside(base: Type, wanted: Type, key: Any) -> Type:
    if base.kind in ("time", "duration", "month", "location"):
        return UNKNOWN  # their few methods are known when it runs
    if base.kind == "nil" and isinstance(key, str):
        raise LangError(f"type nil has no field {key}")
    if base.kind == "groups":
        return ARRAY
    if base.kind == "map":
        if not (assignable(wanted, STRING) or wanted.is_open):
            raise LangError(f"cannot use {wanted} to get an element from {base}")
        return ANY
    if base.kind == "array":
        if wanted.kind != "int" and not wanted.is_open:
            message = "array elements can only be selected using an integer"
            raise LangError(f"{message} (got {wanted})")
        return base.inside
    if isinstance(key, str):
        raise LangError(f"type {base} has no field {key}")
    raise LangError(f"type {base}[{wanted}] is undefined")


def _chain(checker: Checker, tree: nodes.Chain) -> Type:
    return checker.type(tree.value)


def _slice(checker: Checker, tree: nodes.Slice) -> Type:
    base = checker.type(tree.target)
    if base.is_open:
        return UNKNOWN
    if base.kind not in ("string", "array"):
        raise checker.fail(f"cannot slice {base}", tree.at)
    for bound in (tree.start, tree.stop):
        found = checker.type(bound) if bound is not None else INT
        if found.kind != "int" and not found.is_open:
            raise checker.fail(f"non-integer slice index {found}", tree.at)
    return base


def _call(checker: Checker, tree: nodes.Call) -> Type:
    """What is called is known when it runs; until then nobody looks at its arguments."""
    target = tree.target
    if isinstance(target, nodes.Name) and target.name == "$env":
        raise checker.fail("map[string]interface {} is not callable", tree.at)
    found = checker.type(target)
    if found.is_open or found == FUNCTION:
        return UNKNOWN
    return _not_callable(checker, target, found, tree.at)


def _not_callable(checker: Checker, target: nodes.Node, found: Type, at: int) -> Type:
    if found.kind == "nil":
        name = target.name if isinstance(target, nodes.Name) else "function"
        raise checker.fail(f"{name} is nil; cannot call nil as function", at)
    raise checker.fail(f"{found} is not callable", at)


def _builtin(checker: Checker, tree: nodes.Builtin) -> Type:
    own = checker.variables.get(tree.name)
    if own is not None and not own.is_open:  # a variable hides a builtin of its name
        return _not_callable(checker, nodes.Name(tree.name, tree.at), own, tree.at)
    if tree.name in PREDICATES:
        return _predicate_builtin(checker, tree)
    if tree.name == "get" and len(tree.args) == 2 and _is_env(tree.args[0]):
        return UNKNOWN
    return checker.located(result, tree.at, tree.name, [checker.type(arg) for arg in tree.args])


def _is_env(tree: nodes.Node) -> bool:
    return isinstance(tree, nodes.Name) and tree.name == "$env"


def _predicate_builtin(checker: Checker, tree: nodes.Builtin) -> Type:
    collection = checker.type(tree.args[0])
    if collection.kind != "array" and not collection.is_open:
        message = f"builtin {tree.name} takes only array (got {collection})"
        raise checker.fail(message, tree.args[0].at)
    body = _body(checker, tree, collection) if len(tree.args) > 1 else None
    if len(tree.args) > 2:
        last = checker.type(tree.args[2])
        if tree.name == "sortBy" and last.kind != "string" and not last.is_open:
            message = f"sortBy order argument must be a string (got {last})"
            raise checker.fail(message, tree.args[2].at)
    return _gives(tree.name, collection, body)


def _body(checker: Checker, tree: nodes.Builtin, collection: Type) -> Type:
    """The type of the predicate. One that is always nil gives nothing, and is refused."""
    checker.scopes.append((tree.name, collection))
    body, at = checker.type(tree.args[1]), tree.args[1].at
    checker.scopes.pop()
    if body.kind == "nil":
        count = "two" if tree.name == "reduce" else "one"
        raise checker.fail(f"predicate should has {count} input and one output param", at)
    if tree.name in _TEST and body != BOOL and not body.is_open:
        raise checker.fail(f"predicate should return boolean (got {body})", at)
    return body


def _gives(name: str, collection: Type, body: Type | None) -> Type:
    inside = UNKNOWN if collection.is_open else collection.inside
    if name in ("all", "any", "none", "one"):
        return BOOL
    if name in ("count", "findIndex", "findLastIndex"):
        return INT
    if name in ("find", "findLast"):
        return inside
    if name == "filter":
        return ARRAY if collection.is_open else array_of(inside)
    if name == "map":
        return array_of(body or UNKNOWN)
    if name == "groupBy":
        return Type("groups")
    if name == "sortBy":
        return collection
    return body or inside  # sum, reduce


def _predicate(checker: Checker, tree: nodes.Predicate) -> Type:
    return checker.type(tree.body)


def _let(checker: Checker, tree: nodes.Let) -> Type:
    if tree.name in checker.variables:
        raise checker.fail(f"cannot redeclare {tree.name}", tree.at)
    value = checker.type(tree.value)
    outer = checker.lets
    checker.lets = {**outer, tree.name: value}
    found = checker.type(tree.body)
    checker.lets = outer
    return found


def _sequence(checker: Checker, tree: nodes.Sequence) -> Type:
    return [checker.type(item) for item in tree.items][-1]


def _conditional(checker: Checker, tree: nodes.Conditional) -> Type:
    test = checker.type(tree.test)
    if test != BOOL and not test.is_open:
        message = f"non-bool expression (type {test}) used as condition"
        raise checker.fail(message, tree.test.at)
    yes, no = checker.type(tree.yes), checker.type(tree.no)
    if yes == NIL:
        return no
    if no == NIL:
        return yes
    if not assignable(yes, no):
        return UNKNOWN
    return ARRAY if yes.kind == "array" and yes.inside != no.inside else yes


def _array(checker: Checker, tree: nodes.Array) -> Type:
    found = [checker.type(item) for item in tree.items] or [UNKNOWN]
    kinds = {"unknown" if one == NIL else one.kind for one in found}
    return array_of(found[-1]) if len(kinds) == 1 else ARRAY


def _map(checker: Checker, tree: nodes.Map) -> Type:
    for key, value in tree.pairs:
        checker.type(key)
        checker.type(value)
    return MAP


_KINDS: Final[dict[type, Callable[[Checker, Any], Type]]] = {
    nodes.Constant: _constant,
    nodes.Name: _name,
    nodes.Pointer: _pointer,
    nodes.Unary: _unary,
    nodes.Binary: _binary,
    nodes.Member: _member,
    nodes.Chain: _chain,
    nodes.Slice: _slice,
    nodes.Call: _call,
    nodes.Builtin: _builtin,
    nodes.Predicate: _predicate,
    nodes.Let: _let,
    nodes.Sequence: _sequence,
    nodes.Conditional: _conditional,
    nodes.Array: _array,
    nodes.Map: _map,
}
