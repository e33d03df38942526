"""Between JSON values and Lua tables, with the habits scripts were written for.

Into Lua: null members and elements vanish, a list within a list is dropped. Out of Lua: a table with a list part is
that list (a hole is null), any other an object; an empty one is `{}` unless its metatable has `__is_array = true`.
"""

from collections.abc import Callable
from typing import Any

from lupa import lua51

from bireme.sandbox.failures import Failed, TooMuch

_LONGEST = 1_000_000
_DEEPEST = 200


def is_table(value: Any) -> bool:
    return bool(lua51.lua_type(value) == "table")


def table_of(lua: Any, value: Any) -> Any:
    """A dict or list as a Lua table."""
    if isinstance(value, list):
        items = [item for item in value if item is not None and not isinstance(item, list)]
        return lua.table_from([_inward(lua, item) for item in items])
    return lua.table_from(
        {key.encode(errors="replace"): _inward(lua, item) for key, item in value.items() if item is not None}
    )  # fmt: skip


def _inward(lua: Any, value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace")
    if isinstance(value, (dict, list)):
        return table_of(lua, value)
    return value


class Reader:
    """Reads one returned table. Raises Failed for what JSON cannot hold, TooMuch for more than `left` bytes of it."""

    def __init__(self, metatable: Callable[[Any], Any], left: int) -> None:
        self._metatable = metatable
        self._left = left

    def read(self, value: Any, depth: int = 0) -> Any:
        kind = lua51.lua_type(value)
        if kind == "table":
            if depth > _DEEPEST:
                raise Failed(f"the table nests deeper than {_DEEPEST} levels, or holds itself")
            return self._table(value, depth + 1)
        if kind is not None:
            raise Failed(f"json: unsupported type: a Lua {kind}")
        self._spend(len(value) if isinstance(value, bytes) else 8)
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        return (
            int(value)
            if isinstance(value, float) and value.is_integer() and abs(value) < 1e15
            else value
        )

    def _table(self, table: Any, depth: int) -> Any:
        self._spend(8)
        members = dict(table.items())
        longest = max((int(key) for key in members if _is_place(key)), default=0)
        if longest:
            self._spend(longest)
            return [self.read(members.get(place), depth) for place in range(1, longest + 1)]
        if not members:
            return [] if self._is_array(table) else {}
        return {_name(key): self.read(item, depth) for key, item in members.items()}

    def _is_array(self, table: Any) -> bool:
        metatable = self._metatable(table)
        return is_table(metatable) and metatable[b"__is_array"] is True

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooMuch("the script returns more than it may")


def _is_place(key: Any) -> bool:
    if isinstance(key, bool) or not isinstance(key, (int, float)):
        return False
    return 1 <= key <= _LONGEST and int(key) == key


def _name(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode(errors="replace")
    if isinstance(key, bool):
        return str(key).lower()
    return f"{key:.17g}" if isinstance(key, float) and int(key) != key else str(int(key))
