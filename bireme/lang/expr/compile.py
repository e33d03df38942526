"""The tree to closures: one function per node, built once, called with a Frame."""

import sys
from collections.abc import Callable
from typing import Any, Final

from bireme.lang import regex
from bireme.lang.errors import LangError
from bireme.lang.expr import builtins, nodes, predicates, values
from bireme.lang.expr.fetch import cut, fetch, fetch_key
from bireme.lang.expr.frame import Frame, Run, Stop
from bireme.lang.expr.grammar import BUILTINS, PREDICATES
from bireme.lang.expr.lexer import error_at
from bireme.lang.expr.times import Time

_POINTERS: Final = ("", "index", "acc")


class Compiler:
    """Compiles one text; `lets` are the names declared around the current node."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lets: frozenset[str] = frozenset()
        self.predicates: tuple[str, ...] = ()

    def node(self, tree: nodes.Node) -> Run:
        """The closure of a node."""
        return _KINDS[type(tree)](self, tree)

    def fail(self, message: str, at: int) -> LangError:
        return error_at(self.text, at, message)

    def located(self, error: LangError, at: int) -> LangError:
        """The error with its place, unless a deeper node gave it one."""
        message = str(error)
        return error if "\n | " in message else type(error)(str(self.fail(message, at)))

    def guard(self, work: Callable[..., Any], at: int, *args: Run) -> Run:
        """`work` on the values of `args`; a complaint of it gets the place."""

        def run(frame: Frame) -> Any:
            try:
                return work(*[arg(frame) for arg in args])
            except LangError as error:
                raise self.located(error, at) from None
            except (TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
                raise self.fail(f"invalid argument: {error}", at) from None

        return run


def _constant(_: Compiler, tree: nodes.Constant) -> Run:
    value = tree.value
    return lambda frame: value


def _name(compiler: Compiler, tree: nodes.Name) -> Run:
    name = tree.name
    if name in compiler.lets:
        return lambda frame: frame.lets[name]
    if name == "$env":
        return lambda frame: frame.env if isinstance(frame.env, dict) else dict(frame.env)

    def run(frame: Frame) -> Any:
        try:
            return frame.env[name]
        except KeyError:
            pass
        return frame.functions.get(name)  # one that must exist was looked for by the check

    return run


def _pointer(compiler: Compiler, tree: nodes.Pointer) -> Run:
    name = tree.name
    if name not in _POINTERS or (name == "acc" and "reduce" not in compiler.predicates):
        raise compiler.fail(f"unknown pointer #{name}", tree.at)
    if name == "index":
        return lambda frame: frame.index
    if name == "acc":
        return lambda frame: frame.acc
    return lambda frame: frame.item


def _truth(compiler: Compiler, run: Run, op: str, at: int) -> Callable[[Frame], bool]:
    def truth(frame: Frame) -> bool:
        value = run(frame)
        if value is True or value is False:
            return bool(value)
        raise compiler.fail(
            f"invalid operation: {op} (mismatched type {values.go_type(value)})", at
        )

    return truth


def _unary(compiler: Compiler, tree: nodes.Unary) -> Run:
    inner = compiler.node(tree.value)
    if tree.op in ("not", "!"):
        truth = _truth(compiler, inner, tree.op, tree.at)
        return lambda frame: not truth(frame)
    if tree.op == "+":
        return inner  # the static check refuses what is known to be no number
    return compiler.guard(values.negate, tree.at, inner)


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": values.equal,
    "!=": lambda a, b: not values.equal(a, b),
    "<": values.compare("<"),
    ">": values.compare(">"),
    "<=": values.compare("<="),
    ">=": values.compare(">="),
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulo,
    "**": values.power,
    "^": values.power,
    "..": values.span,
    "in": values.contains,
    "matches": values.text_test("matches", lambda a, b: regex.search(b, a)),
    "contains": values.text_test("contains", lambda a, b: b in a),
    "startsWith": values.text_test("startsWith", str.startswith),
    "endsWith": values.text_test("endsWith", str.endswith),
}


def _binary(compiler: Compiler, tree: nodes.Binary) -> Run:
    op, at = tree.op, tree.at
    left, right = compiler.node(tree.left), compiler.node(tree.right)
    if op == "??":
        return _coalesce(left, right)
    if op in ("&&", "and", "||", "or"):
        return _logic(compiler, tree, left, right)
    if op == "matches" and isinstance(tree.right, nodes.Constant):
        compiler.guard(regex.compile, at, right)(Frame({}, {}))
    work = _OPERATORS[op]
    spends = op in ("..", "in")

    def run(frame: Frame) -> Any:
        a, b = left(frame), right(frame)
        try:
            result = work(a, b)
        except LangError as error:
            raise compiler.located(error, at) from None
        if spends:
            made = result if op == ".." else b
            frame.spend(len(made) // 16 if isinstance(made, list) else 1)
        return result

    return run


def _coalesce(left: Run, right: Run) -> Run:
    def run(frame: Frame) -> Any:
        value = left(frame)
        return right(frame) if value is None else value

    return run


def _logic(compiler: Compiler, tree: nodes.Binary, left: Run, right: Run) -> Run:
    """The right side is the answer as it is: the static check has seen to it that it may be a bool.

    With a literal on the right the answer is one of the two sides unseen, as expr-lang folds it.
    """
    both = tree.op in ("&&", "and")
    if isinstance(tree.right, nodes.Constant) and isinstance(tree.right.value, bool):
        return left if tree.right.value is both else right
    first = _truth(compiler, left, tree.op, tree.at)
    if both:
        return lambda frame: first(frame) and right(frame)
    return lambda frame: first(frame) or right(frame)


def _member(compiler: Compiler, tree: nodes.Member) -> Run:
    target, at, optional = compiler.node(tree.target), tree.at, tree.optional
    if isinstance(tree.key, nodes.Constant) and isinstance(tree.key.value, str):
        return _property(compiler, target, tree.key.value, optional, at)
    key = compiler.node(tree.key)

    def run(frame: Frame) -> Any:
        value = target(frame)
        if optional and (value is None or type(value) is values.NilList):
            raise Stop
        try:
            return fetch(value, key(frame))
        except LangError as error:
            raise compiler.located(error, at) from None

    return run


def _property(compiler: Compiler, target: Run, key: str, optional: bool, at: int) -> Run:
    def run(frame: Frame) -> Any:
        value = target(frame)
        if type(value) is dict:
            return value.get(key)
        if optional and (value is None or type(value) is values.NilList):
            raise Stop
        try:
            return fetch_key(value, key)
        except LangError as error:
            raise compiler.located(error, at) from None

    return run


def _chain(compiler: Compiler, tree: nodes.Chain) -> Run:
    inner = compiler.node(tree.value)

    def run(frame: Frame) -> Any:
        try:
            value = inner(frame)
        except Stop:
            return None
        return None if type(value) is values.NilList else value

    return run


def _slice(compiler: Compiler, tree: nodes.Slice) -> Run:
    def bound(part: nodes.Node | None, absent: int) -> Run:
        return compiler.node(part) if part is not None else lambda frame: absent

    target = compiler.node(tree.target)
    start, stop = bound(tree.start, 0), bound(tree.stop, sys.maxsize)
    return compiler.guard(cut, tree.at, target, start, stop)


def _call(compiler: Compiler, tree: nodes.Call) -> Run:
    target = compiler.node(tree.target)

    def work(function: Any, *given: Any) -> Any:
        if not callable(function):
            raise LangError(f"{values.go_type(function)} is not a function; it cannot be called")
        return function(*given)

    return compiler.guard(work, tree.at, target, *map(compiler.node, tree.args))


def _builtin(compiler: Compiler, tree: nodes.Builtin) -> Run:
    if tree.name in PREDICATES:
        return _predicate_builtin(compiler, tree)
    if tree.name == "now":
        return _now(compiler, tree)
    work, least, most = builtins.FUNCTIONS[tree.name]
    if not least <= len(tree.args) <= most:
        few = "not enough" if len(tree.args) < least else "too many"
        raise compiler.fail(f"{few} arguments to call {tree.name}", tree.at)
    run = compiler.guard(work, tree.at, *map(compiler.node, tree.args))

    def spending(frame: Frame) -> Any:
        value = run(frame)
        if isinstance(value, (str, list)):
            frame.spend(len(value) // 64)
        return value

    return spending


def _now(compiler: Compiler, tree: nodes.Builtin) -> Run:
    if tree.args:
        raise compiler.fail("too many arguments to call now", tree.at)

    def run(frame: Frame) -> Time:
        if frame.now is None:
            raise compiler.fail("now() is not known here", tree.at)
        return Time(frame.now)

    return run


def _predicate_builtin(compiler: Compiler, tree: nodes.Builtin) -> Run:
    array = compiler.node(tree.args[0])
    outer = compiler.predicates
    compiler.predicates = (*outer, tree.name)
    body = compiler.node(tree.args[1]) if len(tree.args) > 1 else None
    compiler.predicates = outer
    last = compiler.node(tree.args[2]) if len(tree.args) > 2 else None
    work = predicates.MAKERS[tree.name](tree.name, array, body, last)

    def run(frame: Frame) -> Any:
        try:
            return work(frame)
        except LangError as error:
            raise compiler.located(error, tree.at) from None

    return run


def _predicate(compiler: Compiler, tree: nodes.Predicate) -> Run:
    return compiler.node(tree.body)


def _let(compiler: Compiler, tree: nodes.Let) -> Run:
    name = tree.name
    if name in compiler.lets:
        raise compiler.fail(f"cannot redeclare variable {name}", tree.at)
    if name in BUILTINS or name in PREDICATES:
        raise compiler.fail(f"cannot redeclare builtin {name}", tree.at)
    value = compiler.node(tree.value)
    outer = compiler.lets
    compiler.lets = outer | {name}
    body = compiler.node(tree.body)
    compiler.lets = outer

    def run(frame: Frame) -> Any:
        if name in frame.env:
            raise compiler.fail(f"cannot redeclare {name}", tree.at)
        frame.lets[name] = value(frame)
        return body(frame)

    return run


def _sequence(compiler: Compiler, tree: nodes.Sequence) -> Run:
    items = [compiler.node(item) for item in tree.items]
    return lambda frame: [item(frame) for item in items][-1]


def _conditional(compiler: Compiler, tree: nodes.Conditional) -> Run:
    test, yes, no = map(compiler.node, (tree.test, tree.yes, tree.no))

    def run(frame: Frame) -> Any:
        value = test(frame)
        if value is True:
            return yes(frame)
        if value is False:
            return no(frame)
        kind = values.go_type(value)
        raise compiler.fail(f"non-bool expression (type {kind}) used as condition", tree.at)

    return run


def _array(compiler: Compiler, tree: nodes.Array) -> Run:
    items = [compiler.node(item) for item in tree.items]
    return lambda frame: [item(frame) for item in items]


def _map(compiler: Compiler, tree: nodes.Map) -> Run:
    pairs = [(compiler.node(key), compiler.node(value)) for key, value in tree.pairs]

    def run(frame: Frame) -> Any:
        made: dict[str, Any] = {}
        for key, value in pairs:
            name, item = key(frame), value(frame)
            if not isinstance(name, str):
                raise compiler.fail(f"a map key is {values.go_type(name)}, not string", tree.at)
            made.setdefault(name, item)  # of two equal keys the first wins
        return made

    return run


_KINDS: Final[dict[type, Callable[[Compiler, Any], Run]]] = {
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
