"""The odd value types of Argo's specs: AnyString, Item, int-or-template."""

import math
import re
from typing import Any

import msgspec

from bireme.manifests.scalars import number_text

_GO_BOOL = frozenset(
    ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
)
_VARIABLE = re.compile(r"\{\{.*\}\}", re.DOTALL)


def any_string(value: Any) -> str | None:
    """What Argo stores for a parameter's value: text as it is, numbers and booleans as text; None for all else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | float) and _fits(value) else None


def _fits(number: float) -> bool:
    """Whether a double can hold it."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def item_type(value: Any) -> str:
    """Type of a withItems element as Argo tells it from its JSON text: Number, Bool, List, Map or String."""
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, int | float):
        return "Number"
    if isinstance(value, list):
        return "List"
    return "Map" if isinstance(value, dict) else "String"


def item_text(value: Any) -> str:
    """The text that `{{item}}` becomes: strings bare, everything else compact JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def is_int_or_variable(value: Any) -> bool:
    """True for an integer, its text, a text that holds a `{{variable}}`, and nothing at all."""
    if value is None or isinstance(value, int):
        return True
    return bool(_VARIABLE.search(value)) or as_int(value) is not None


def as_int(value: Any) -> int | None:
    """The integer written, or None when it is something else."""
    try:
        return int(str(value)) if re.fullmatch(r"[-+]?\d+", str(value)) else None
    except ValueError:
        return None
