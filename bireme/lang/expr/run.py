"""Compile once, evaluate often."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from bireme.lang.errors import LangError, Refused
from bireme.lang.expr import types, values
from bireme.lang.expr.check import Checker
from bireme.lang.expr.compile import Compiler
from bireme.lang.expr.frame import NOTHING, Frame
from bireme.lang.expr.names import every_name, mentioned, required
from bireme.lang.expr.parser import parse

MAX_TEXT: Final = 100_000
_MOST_VERDICTS: Final = 64
_TOO_DEEP: Final = "the expression nests too deep to be evaluated"


class Expression:
    """A compiled expression. It sees dicts, lists and plain values, never a Python attribute."""

    __slots__ = ("_names", "_run", "_tree", "_verdicts", "identifiers", "mentions", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise LangError(f"the expression is longer than {MAX_TEXT} characters; split it")
        compiler = Compiler(text)
        self.text = text
        try:
            tree = self._tree = parse(text)
            self._run = compiler.node(tree)
            self.identifiers: frozenset[str] = required(tree)
            self.mentions: frozenset[str] = mentioned(tree)
        except RecursionError:
            raise LangError(_TOO_DEEP) from None
        self._names = tuple(sorted(every_name(tree)))
        self._verdicts: dict[Any, Refused | None] = {}

    def evaluate(
        self,
        env: Mapping[str, Any],
        functions: Mapping[str, Any] = NOTHING,
        *,
        undefined_ok: bool = False,
        now: datetime | None = None,
    ) -> Any:
        """The value over `env`; names in `env` hide those in `functions`. Raises LangError.

        Refused, without running anything, is what cannot be right for variables of these types. A top-level name that
        neither has is refused too, or nil with `undefined_ok`. `now` is what now() answers.
        """
        try:
            self._check(env, functions, undefined_ok)
            return self._run(Frame(env, functions, now))
        except RecursionError:
            raise LangError(_TOO_DEEP) from None

    def _check(self, env: Mapping[str, Any], functions: Mapping[str, Any], lax: bool) -> None:
        """One verdict serves for all environments whose variables are of the same types."""
        kinds = (lax, id(functions), *[type(env[n]) if n in env else None for n in self._names])
        if kinds not in self._verdicts:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            self._verdicts[kinds] = self._verdict(env, functions, lax)
        if (refusal := self._verdicts[kinds]) is not None:
            raise Refused(str(refusal))

    def _verdict(
        self, env: Mapping[str, Any], functions: Mapping[str, Any], lax: bool
    ) -> Refused | None:
        variables = {name: types.of(type(env[name])) for name in self._names if name in env}
        try:
            Checker(self.text, variables, functions, strict=not lax).type(self._tree)
        except Refused as error:
            return error
        return None


@lru_cache(maxsize=4096)
def compile(text: str) -> Expression:
    """The expression compiled, or compiled before. Raises LangError for a text that does not parse."""
    return Expression(text)


def eval_bool(text: str, env: Mapping[str, Any], functions: Mapping[str, Any] = NOTHING) -> bool:
    """The truth of an expression. Raises LangError when it does not evaluate to a bool."""
    try:
        value = compile(text).evaluate(env, functions)
    except LangError as error:
        raise _explained(text, error) from None
    if isinstance(value, bool):
        return value
    raise LangError(f"unable to cast expression result '{_with_s(value)}' to bool")


def _with_s(value: Any) -> str:
    """As Go's `%s` writes it: a text as it is, of other values that this is none."""
    if isinstance(value, str):
        return value
    return "%!s(<nil>)" if value is None else f"%!s({values.go_type(value)}={values.text(value)})"


def _explained(text: str, error: LangError) -> LangError:
    """What only shows when running says which expression; what shows when compiling stands alone."""
    message = str(error)
    compiling = isinstance(error, Refused) or "unexpected token" in message
    return error if compiling else LangError(f"unable to evaluate expression '{text}': {message}")
