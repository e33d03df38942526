"""Expressions over the layers: only the variables an expression names are fetched."""

from datetime import datetime
from typing import Any

from bireme.lang import environment, expr
from bireme.lang.errors import LangError
from bireme.lang.expression_tags import env_for
from controller.dag.scope import Variables


def evaluate(text: str, scope: Variables, now: datetime | None = None) -> Any:
    """The value of the expression; `now` is what now() answers. Raises LangError."""
    expression = expr.compile(text)
    return expression.evaluate(env_for(expression, scope), environment.functions(), now=now)


def holds(text: str, scope: Variables, now: datetime | None = None) -> bool:
    """The truth of the expression; anything but a bool is a LangError."""
    value = evaluate(text, scope, now)
    if not isinstance(value, bool):
        raise LangError(f"unable to cast expression result '{value}' to bool")
    return value
