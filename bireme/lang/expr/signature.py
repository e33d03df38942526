"""How a builtin is listed: the function, and how few and how many arguments it takes."""

from collections.abc import Callable
from typing import Any, Final

Signature = tuple[Callable[..., Any], int, int]
MANY: Final = 1_000
