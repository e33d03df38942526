"""Lua 5.1 in the child: one state for all programs, a fresh world of names for each run."""

import json
from collections.abc import Callable
from typing import Any

from lupa import lua51

from bireme.sandbox import lua_source
from bireme.sandbox.deadline import Deadline
from bireme.sandbox.failures import Failed, TooMuch

Run = Callable[[str], bytes]

_TIDY_KB = 8 << 10
_DEEPEST = 180
_LONGEST = 1_000_000


class LuaEngine:
    """Compiles Lua chunks. `lua.table` gives the returned table, `lua.truth` whether `true` was returned."""

    def __init__(self, memory_bytes: int, output_bytes: int, deadline: Deadline) -> None:
        self._memory_bytes = memory_bytes
        self._output_bytes = output_bytes
        self._deadline = deadline
        self._state = _State(memory_bytes)

    def compile(self, kind: str, text: str) -> Run:
        """Raises Failed with Lua's words."""
        if text.startswith("\x1b"):
            raise Failed("a script is source text, not bytecode")
        source = text.encode()
        state, chunk = self._state, self._state.chunk(source)

        def run(data: str) -> bytes:
            nonlocal state, chunk
            if state is not self._state:
                state, chunk = self._state, self._state.chunk(source)
            try:
                found = self._call(state, chunk, data)
                return self._table(state, found) if kind == "lua.table" else _truth(found)
            except (MemoryError, lua51.LuaMemoryError):
                self._state = _State(self._memory_bytes)
                raise TooMuch(f"the script holds more than {self._memory_bytes} bytes") from None
            finally:
                self._state.tidy()

        return run

    def _call(self, state: "_State", chunk: Any, data: str) -> Any:
        event = state.decode(_normal(data))
        self._deadline.start()
        try:
            return state.run(chunk, event)
        except lua51.LuaMemoryError:
            raise
        except lua51.LuaError as error:
            raise Failed(_words(error)) from None
        finally:
            self._deadline.stop()

    def _table(self, state: "_State", value: Any) -> bytes:
        if lua51.lua_type(value) != "table":
            return b""
        try:
            text: bytes = state.encode(value, self._output_bytes, _DEEPEST, _LONGEST)
        except lua51.LuaMemoryError:
            raise
        except lua51.LuaError as error:
            words = _words(error)
            raise TooMuch(lua_source.TOO_MUCH) if words == "TOO MUCH" else Failed(words) from None
        return text.decode(errors="replace").encode()


class _State:
    """One Lua state, its own names taken away."""

    def __init__(self, memory_bytes: int) -> None:
        lua = lua51.LuaRuntime(
            encoding=None,
            source_encoding="utf-8",
            register_eval=False,
            register_builtins=False,
            max_memory=memory_bytes,
            attribute_filter=_refuse,
        )
        json_functions = lua.execute(lua_source.JSON)
        functions = lua.execute(lua_source.WORLD)
        self.run = functions[b"run"]
        self.decode = json_functions[b"decode"]
        self.encode = json_functions[b"encode"]
        self._compile = functions[b"compile"]
        self._collect = functions[b"collect"]
        self._count = functions[b"count"]

    def chunk(self, source: bytes) -> Any:
        """Raises Failed with Lua's words."""
        found = self._compile(source)
        if isinstance(found, tuple):
            raise Failed(found[1].decode(errors="replace"))
        return found

    def tidy(self) -> None:
        """Lua 5.1 does not collect when memory runs out: so what a run left behind goes before the next one."""
        if self._count() > _TIDY_KB:
            self._collect()


def _refuse(value: object, name: object, is_setting: bool) -> Any:
    """No Python value is ever handed to Lua; should one be, nothing of it can be had."""
    raise AttributeError("not available")


def _normal(data: str) -> bytes:
    """The same JSON without blanks and needless escapes, its numbers as floats."""
    try:
        plain = json.loads(data, parse_int=float)
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise Failed("the event nests too deep for a script") from None
    except ValueError as error:
        raise Failed(f"the event cannot be read: {error}") from None
    return text.encode(errors="replace")


def _truth(value: Any) -> bytes:
    return b"true" if value is True else b"false"


def _words(error: Exception) -> str:
    message = error.args[0] if error.args else ""
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    return text.partition("\nstack traceback:")[0] or "the script raised an error that is no text"
