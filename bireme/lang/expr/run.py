"""Compile once, evaluate often."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from bireme.lang.errors import LangError
from bireme.lang.expr import values
from bireme.lang.expr.compile import Compiler
from bireme.lang.expr.frame import NOTHING, Frame
from bireme.lang.expr.lexer import error_at
from bireme.lang.expr.names import mentioned, required
from bireme.lang.expr.parser import parse

MAX_TEXT: Final = 100_000
_TOO_DEEP: Final = "the expression nests too deep to be evaluated"


class Expression:
    """A compiled expression. It sees dicts, lists and plain values, never a Python attribute."""

    __slots__ = ("_roots", "_run", "identifiers", "mentions", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise LangError(f"the expression is longer than {MAX_TEXT} characters; split it")
        compiler = Compiler(text)
        self.text = text
        try:
            tree = parse(text)
            self._run = compiler.node(tree)
            self.identifiers: frozenset[str] = required(tree)
            self.mentions: frozenset[str] = mentioned(tree)
        except RecursionError:
            raise LangError(_TOO_DEEP) from None
        self._roots = tuple(compiler.roots)

    def evaluate(
        self,
        env: Mapping[str, Any],
        functions: Mapping[str, Any] = NOTHING,
        *,
        undefined_ok: bool = False,
        now: datetime | None = None,
    ) -> Any:
        """The value over `env`; names in `env` hide those in `functions`. Raises LangError.

        A top-level name that neither has is an error, or nil with `undefined_ok`.
        `now` is what now() answers.
        """
        if not undefined_ok:
            self._check_names(env, functions)
        try:
            return self._run(Frame(env, functions, undefined_ok, now))
        except RecursionError:
            raise LangError(_TOO_DEEP) from None

    def _check_names(self, env: Mapping[str, Any], functions: Mapping[str, Any]) -> None:
        for name in self._roots:
            if name not in env and name not in functions:
                at = max(self.text.find(name), 0)
                raise error_at(self.text, at, f"unknown name {name}")


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
    shown = f"%!s({values.go_type(value)}={values.text(value)})"
    raise LangError(f"unable to cast expression result '{shown}' to bool")


def _explained(text: str, error: LangError) -> LangError:
    """What only shows when running says which expression; what shows when compiling stands alone."""
    message = str(error)
    compiling = "unexpected token" in message or message.startswith("unknown name")
    return error if compiling else LangError(f"unable to evaluate expression '{text}': {message}")
