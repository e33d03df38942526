"""Go's own template functions where the template engine differs: nil reads `<nil>` and equals nil alone.

The engine is imported on first use.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from bireme.lang.errors import OverBudget

_WIDE: Final = re.compile(r"%[-+# 0]*(?:\d{5,}|\d*\.\d{5,})")


@cache
def functions() -> Mapping[str, Callable[..., Any]]:
    """The functions by name, as the template engine calls them."""
    return {"printf": _printf, "print": _print, "println": _println, "eq": _eq, "ne": _ne}


def _printf(layout: Any, *args: Any) -> Any:
    """printf without widths that would fill the memory."""
    if isinstance(layout, str) and (_WIDE.search(layout) or "*" in layout):
        raise OverBudget(
            "printf: a width or precision above 9999, or one from the arguments, is refused"
        )
    from gotpl._compat.gofmt.go import sprintf

    return sprintf(layout, *(None if _is_nil(arg) else arg for arg in args))


def _print(*args: Any) -> Any:
    """Go's Sprint: a space between two operands of which neither is a text."""
    layout = ""
    for index, arg in enumerate(args):
        apart = index and not isinstance(arg, str) and not isinstance(args[index - 1], str)
        layout += " %v" if apart else "%v"
    return _printf(layout, *args)


def _println(*args: Any) -> Any:
    return _printf(" ".join(["%v"] * len(args)) + "\n", *args)


def _eq(first: Any, *others: Any) -> Any:
    if _is_nil(first):
        return any(map(_is_nil, others))
    given = [other for other in others if not _is_nil(other)]
    return _compare(first, given or [first]) and bool(given)


def _ne(first: Any, second: Any) -> Any:
    if _is_nil(first) or _is_nil(second):
        return not (_is_nil(first) and _is_nil(second))
    return not _compare(first, [second])


def _compare(first: Any, others: list[Any]) -> bool:
    from gotpl.runtime.sync_vm import _equal

    return bool(_equal(first, *others))


def _is_nil(value: Any) -> bool:
    """True for null, and for what is not there at all."""
    from gotpl.runtime.values import INVALID, UNTYPED_NIL

    return value is None or value is INVALID or value is UNTYPED_NIL
