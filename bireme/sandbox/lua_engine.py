"""Lua 5.1 in the child: one state for all programs, a fresh world of names for each run."""

import json
from collections.abc import Callable
from typing import Any

from lupa import lua51

from bireme.sandbox import lua_values
from bireme.sandbox.failures import Failed, TooMuch

Run = Callable[[str], bytes]

_PRELUDE = b"""
local real = _G
local loadstring, setfenv, setmetatable, getmetatable = loadstring, setfenv, setmetatable, getmetatable
local select, pairs, collect = select, pairs, collectgarbage

local kept = {print = function() end}
for _, name in pairs({
  'assert', 'error', 'ipairs', 'next', 'pairs', 'pcall', 'rawequal', 'rawget', 'rawset', 'select', 'setmetatable',
  'getmetatable', 'tonumber', 'tostring', 'type', 'unpack', 'xpcall', '_VERSION',
}) do kept[name] = real[name] end

-- What all runs share is seen through tables of the run's own, and their metatables cannot be had.
local function shut(shared) return {__index = shared, __metatable = false} end
string.dump = nil
getmetatable('').__metatable = false
local names, libraries = shut(kept), {}
for _, name in pairs({'string', 'table', 'math', 'coroutine'}) do libraries[name] = shut(real[name]) end
for name in pairs(real) do real[name] = nil end
collect('setpause', 110)

local function world(event)
  local made = {event = event}
  for name, library in pairs(libraries) do made[name] = setmetatable({}, library) end
  made._G = made
  return setmetatable(made, names)
end

local function last(...)
  local count = select('#', ...)
  if count == 0 then return nil end
  return (select(count, ...))
end

return {
  compile = function(text) return loadstring(text, '=script') end,
  run = function(chunk, event)
    setfenv(chunk, world(event))
    return last(chunk())
  end,
  collect = function() collect() end,
  count = function() return collect('count') end,
  metatable = getmetatable,
}
"""
_TIDY_KB = 8 << 10


class LuaEngine:
    """Compiles Lua chunks. `lua.table` gives the returned table, `lua.truth` whether `true` was returned."""

    def __init__(self, memory_bytes: int, output_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._output_bytes = output_bytes
        self._state = _State(memory_bytes)

    def compile(self, kind: str, text: str) -> Run:
        """Raises Failed with Lua's words."""
        if text.startswith("\x1b"):
            raise Failed("a script is source text, not bytecode")
        source = text.encode()
        state, chunk = self._state, self._chunk(self._state, source)
        answer = self._table if kind == "lua.table" else _truth

        def run(data: str) -> bytes:
            nonlocal state, chunk
            if state is not self._state:
                state, chunk = self._state, self._chunk(self._state, source)
            try:
                return answer(state, _called(state, chunk, json.loads(data, parse_int=float)))
            except (MemoryError, lua51.LuaMemoryError):
                self._state = _State(self._memory_bytes)
                raise TooMuch(f"the script holds more than {self._memory_bytes} bytes") from None
            finally:
                self._state.tidy()

        return run

    def _chunk(self, state: "_State", source: bytes) -> Any:
        found = state.compile(source)
        if isinstance(found, tuple):
            raise Failed(_words(found[1]))
        return found

    def _table(self, state: "_State", value: Any) -> bytes:
        if not lua_values.is_table(value):
            return b""
        plain = lua_values.Reader(state.metatable, self._output_bytes).read(value)
        try:
            text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except ValueError:
            raise Failed("json: unsupported value: a number that is not finite") from None
        return text.encode(errors="replace")


class _State:
    """One Lua state, its own names taken away."""

    def __init__(self, memory_bytes: int) -> None:
        self.lua = lua51.LuaRuntime(
            encoding=None,
            source_encoding="utf-8",
            register_eval=False,
            register_builtins=False,
            max_memory=memory_bytes,
        )
        functions = self.lua.execute(_PRELUDE)
        self.compile = functions[b"compile"]
        self.run = functions[b"run"]
        self.metatable = functions[b"metatable"]
        self._collect = functions[b"collect"]
        self._count = functions[b"count"]

    def tidy(self) -> None:
        """Lua 5.1 does not collect when memory runs out: so what a run left behind goes before the next one."""
        if self._count() > _TIDY_KB:
            self._collect()


def _called(state: _State, chunk: Any, event: Any) -> Any:
    try:
        return state.run(chunk, lua_values.table_of(state.lua, event or {}))
    except lua51.LuaMemoryError:
        raise
    except lua51.LuaError as error:
        raise Failed(_words(error.args[0] if error.args else "")) from None
    except RecursionError:
        raise Failed("the event nests too deep for a script") from None


def _truth(_: _State, value: Any) -> bytes:
    return b"true" if value is True else b"false"


def _words(message: Any) -> str:
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    return text.partition("\nstack traceback:")[0] or "the script raised an error that is no text"
