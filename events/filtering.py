"""`filter.expression` of an event source: decides on the payload whether an event is accepted. Pure."""

from typing import Any

from bireme.lang import environment, expr
from bireme.lang.errors import LangError


class PayloadFilter:
    """One expression, compiled once."""

    def __init__(self, expression: str) -> None:
        self._expression = expr.compile(expression)
        self._functions = environment.functions()

    def accepts(self, payload: bytes) -> bool:
        """Raises LangError when the expression cannot be evaluated on this payload or does not say true or false."""
        env = {**names(payload), **self._functions}
        verdict = self._expression.evaluate(env, undefined_ok=True)
        if not isinstance(verdict, bool):
            raise LangError(f"the filter's result is {verdict!r}, expected true or false")
        return verdict


def names(payload: bytes) -> dict[str, Any]:
    """What an expression can name: the payload's members, dotted keys as objects, `-` as `_` in names of the top."""
    members = environment.of_json(payload, "payload")
    return environment.expand_dotted({key.replace("-", "_"): members[key] for key in members})
