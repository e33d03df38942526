"""govaluate, the language of `when` and of the filter `exprs`: compiled to closures. Pure.

Its habits are kept: numbers are floats, date-like literals are numbers, `==` between types is false, `<` between
types is an error, `=~` searches an unanchored regular expression, `&&`, `||` and `?` evaluate only what they need.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from bireme.lang import govaluate_words as words
from bireme.lang import regex
from bireme.lang.errors import LangError
from bireme.lang.expr import values
from bireme.lang.govaluate_words import Word

Env = Mapping[str, Any]
Eval = Callable[[Env], Any]
Pair = Callable[[Any, Any], Any]

_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({","}),
    words.TERNARY,
    frozenset({"||"}),
    frozenset({"&&"}),
    words.COMPARATORS,
    frozenset({"&", "|", "^"}),
    frozenset({"<<", ">>"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
    frozenset({"**"}),
)
_HALF = 1 << 63
_ALL = (1 << 64) - 1
_TOO_DEEP = "the expression nests too deep to be evaluated"
_BINARY = frozenset({"MODIFIER", "LOGICALOP", "COMPARATOR", "TERNARY", "SEPARATOR"})


@lru_cache(maxsize=4096)
def compile(text: str) -> Eval:
    """The expression as a function of its parameters. Raises LangError, now or when evaluated."""
    return compile_words(words.split(text))


def compile_words(given: list[Word]) -> Eval:
    """The words as a function of the parameters. Raises LangError for what nests too deep."""
    try:
        compiled = _Parser(given).expression(0)
    except RecursionError:
        raise LangError(_TOO_DEEP) from None

    def evaluate(env: Env) -> Any:
        try:
            return compiled(env)
        except RecursionError:
            raise LangError(_TOO_DEEP) from None

    return evaluate


class _Parser:
    """Precedence climbing over the words; every operator associates to the left, as govaluate reorders them."""

    def __init__(self, given: list[Word]) -> None:
        self.words = given
        self.at = 0

    def expression(self, level: int) -> Eval:
        if level == len(_LEVELS):
            return self.value()
        left = self.expression(level + 1)
        while (symbol := self.symbol()) in _LEVELS[level]:
            self.at += 1
            left = _binary(symbol, left, self.expression(level + 1))
        return left

    def symbol(self) -> str:
        if self.at < len(self.words) and self.words[self.at].kind in _BINARY:
            return str(self.words[self.at].value)
        return ""

    def value(self) -> Eval:
        if self.at == len(self.words):
            raise LangError("Unexpected end of expression")
        word = self.words[self.at]
        self.at += 1
        if word.kind == "PREFIX":
            return _prefix(word.value, self.value())
        if word.kind == "CLAUSE":
            return self.clause()
        if word.kind == "VARIABLE":
            return _variable(word.value)
        if word.kind == "CLAUSE_CLOSE":  # `(x == )`: what is missing before a bracket is nil
            self.at -= 1
            return lambda env: None
        if word.kind in _BINARY:
            raise LangError(f"Unable to plan token kind: '{word.kind}', value: '{word.value}'")
        value = word.value
        return lambda env: value

    def clause(self) -> Eval:
        if self.words[self.at].kind == "CLAUSE_CLOSE":
            self.at += 1
            return lambda env: None
        inner = self.expression(0)
        if self.at < len(self.words) and self.words[self.at].kind == "CLAUSE_CLOSE":
            self.at += 1
        return inner


def _variable(name: str) -> Eval:
    def get(env: Env) -> Any:
        if name in env:
            return env[name]
        root, dot, rest = name.partition(".")
        if dot and root in env:
            raise LangError(f"Unable to access '{rest}', '{root}' is not a struct")
        raise LangError(f"No parameter '{root}' found.")

    return get


def _prefix(symbol: str, right: Eval) -> Eval:
    kind = bool if symbol == "!" else float
    act: Callable[[Any], Any] = {
        "-": lambda value: -value,
        "!": lambda value: not value,
        "~": lambda value: float(~_int(value)),
    }[symbol]

    def apply(env: Env) -> Any:
        value = right(env)
        if type(value) is not kind:
            noun = "bool" if kind is bool else "number"
            raise LangError(
                f"Value '{show(value)}' cannot be used with the prefix '{symbol}', it is not a {noun}"
            )
        return act(value)

    return apply


def _binary(symbol: str, left: Eval, right: Eval) -> Eval:
    if symbol in ("&&", "||"):
        return _logical(symbol, left, right)
    if symbol in words.TERNARY:
        return _ternary(symbol, left, right)
    act = _OPERATIONS[symbol]
    return lambda env: act(left(env), right(env))


def _logical(symbol: str, left: Eval, right: Eval) -> Eval:
    decided = symbol == "||"

    def apply(env: Env) -> Any:
        for side in (left, right):
            value = side(env)
            if type(value) is not bool:
                raise _misfit(value, "logical operator", symbol, "bool")
            if value is decided:
                return decided
        return not decided

    return apply


def _ternary(symbol: str, left: Eval, right: Eval) -> Eval:
    def otherwise(env: Env) -> Any:
        value = left(env)
        return right(env) if value is None else value

    def then(env: Env) -> Any:
        value = left(env)
        if type(value) is not bool:
            raise _misfit(value, "ternary operator", symbol, "bool")
        return right(env) if value else None

    return then if symbol == "?" else otherwise


def _numeric(symbol: str, act: Callable[[float, float], float]) -> Pair:
    def apply(left: Any, right: Any) -> Any:
        for value in (left, right):
            if type(value) is not float:
                raise _misfit(value, "modifier", symbol, "number")
        return act(left, right)

    return apply


def _ordered(symbol: str, act: Callable[[Any, Any], bool]) -> Pair:
    def apply(left: Any, right: Any) -> Any:
        if type(left) is not type(right) or type(left) not in (float, str):
            raise _misfit(left, "comparator", symbol, "number")
        return act(left, right)

    return apply


def _add(left: Any, right: Any) -> Any:
    if type(left) is float and type(right) is float:
        return left + right
    if type(left) is not str and type(right) is not str:
        raise _misfit(left, "modifier", "+", "number")
    return show(left) + show(right)


def _equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _matching(symbol: str, wanted: bool) -> Pair:
    def apply(left: Any, right: Any) -> Any:
        for value in (left, right):
            if type(value) is not str:
                raise _misfit(value, "comparator", symbol, "number")
        try:
            return regex.search(right, left) is wanted
        except LangError as error:
            raise LangError(f"Unable to compile regexp pattern '{right}': {error}") from error

    return apply


def _within(left: Any, right: Any) -> Any:
    if type(right) is not list:
        raise _misfit(right, "comparator", "in", "number")
    return any(_equal(left, value) for value in right)


def _list(left: Any, right: Any) -> Any:
    return [*left, right] if type(left) is list else [left, right]


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return (
        math.nan
        if not left or math.isnan(left)
        else math.copysign(math.inf, left) * math.copysign(1, right)
    )


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def _int(value: float) -> int:
    """Go's conversion to 64 bits; what does not fit is the least of them."""
    fits = math.isfinite(value) and -_HALF <= value < _HALF
    return int(value) if fits else -_HALF


def _unsigned(value: float) -> int:
    return _int(value) & _ALL


def _places(value: float) -> int:
    return min(_unsigned(value), 64)


_OPERATIONS: dict[str, Pair] = {
    ",": _list,
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    ">": _ordered(">", lambda left, right: left > right),
    ">=": _ordered(">=", lambda left, right: left >= right),
    "<": _ordered("<", lambda left, right: left < right),
    "<=": _ordered("<=", lambda left, right: left <= right),
    "=~": _matching("=~", True),
    "!~": _matching("!~", False),
    "in": _within,
    "+": _add,
    "-": _numeric("-", lambda left, right: left - right),
    "*": _numeric("*", lambda left, right: left * right),
    "/": _numeric("/", _divided),
    "%": _numeric("%", lambda left, right: math.fmod(left, right) if right else math.nan),
    "**": _numeric("**", _power),
    "&": _numeric("&", lambda left, right: float(_int(left) & _int(right))),
    "|": _numeric("|", lambda left, right: float(_int(left) | _int(right))),
    "^": _numeric("^", lambda left, right: float(_int(left) ^ _int(right))),
    "<<": _numeric("<<", lambda left, right: float((_unsigned(left) << _places(right)) & _ALL)),
    ">>": _numeric(">>", lambda left, right: float(_unsigned(left) >> _places(right))),
}


def _misfit(value: Any, role: str, symbol: str, noun: str) -> LangError:
    return LangError(
        f"Value '{show(value)}' cannot be used with the {role} '{symbol}', it is not a {noun}"
    )


def show(value: Any) -> str:
    """A value as Go prints it with %v."""
    return values.text(value)
