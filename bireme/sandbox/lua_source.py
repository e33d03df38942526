"""What the Lua state is prepared with: the world that scripts see, and JSON to and from tables.

Into Lua: null members and elements vanish, a list within a list is dropped. Out of Lua: a table with a list part is
that list (a hole is null), any other an object; an empty one is `{}` unless its metatable has `__is_array = true`. No
function of a script is called on the way, so neither direction runs foreign code.
"""

from typing import Final

TOO_MUCH: Final = "the result is larger than it may be"

WORLD: Final = b"""
local real = _G
local loadstring, setfenv, setmetatable, getmetatable = loadstring, setfenv, setmetatable, getmetatable
local select, pairs, collect = select, pairs, collectgarbage

local kept = {print = function() end}
for _, name in pairs({
  'assert', 'error', 'ipairs', 'next', 'pairs', 'pcall', 'rawequal', 'rawget', 'rawset', 'select', 'setmetatable',
  'getmetatable', 'tonumber', 'tostring', 'type', 'unpack', 'xpcall', '_VERSION',
}) do kept[name] = real[name] end

-- As Argo's Lua does it: whole numbers have all their digits, and %s takes anything.
local as_text, plain_format, gmatch, type, unpack = tostring, string.format, string.gmatch, type, unpack
local function text(value)
  local is_whole = type(value) == 'number' and value % 1 == 0 and value > -2^63 and value < 2^63
  return is_whole and plain_format('%.0f', value) or as_text(value)
end
kept.tostring = text
function string.format(layout, ...)
  local given, count, at = {...}, select('#', ...), 0
  for letter in gmatch(layout, '%%[-+ #0]*%d*%.?%d*(.)') do
    if letter ~= '%' then at = at + 1 end
    if (letter == 's' or letter == 'q') and at <= count then given[at] = text(given[at]) end
  end
  return plain_format(layout, unpack(given, 1, count))
end

-- What all runs share is seen through tables of the run's own, and their metatables cannot be had.
local function shut(shared) return {__index = shared, __metatable = false} end
string.dump = nil
getmetatable('').__metatable = false
local names, libraries = shut(kept), {}
for _, name in pairs({'string', 'table', 'math', 'coroutine'}) do libraries[name] = shut(real[name]) end
for name in pairs(real) do real[name] = nil end

local function world(event)
  local made = {event = event or {}}
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
}
"""

JSON: Final = rb"""
local byte, find, sub, gsub = string.byte, string.find, string.sub, string.gsub
local char, format = string.char, string.format
local tonumber, type, pairs, rawget, getmetatable, concat = tonumber, type, pairs, rawget, getmetatable, table.concat
local error, tostring, huge = error, tostring, math.huge

local plain = {b = '\b', f = '\f', n = '\n', r = '\r', t = '\t'}
local function unescaped(letter, hex)
  if letter == 'u' then return char(tonumber(hex, 16)) end
  return (plain[letter] or letter) .. hex
end

-- Reads what Python writes: no blanks, and \u only below \u0100.
local function text(s, i)
  local j = find(s, '["\\]', i + 1)
  if byte(s, j) == 34 then return sub(s, i + 1, j - 1), j + 1 end
  while byte(s, j) == 92 do j = find(s, '["\\]', j + 2) end
  return (gsub(sub(s, i + 1, j - 1), '\\(.)(%x?%x?%x?%x?)', unescaped)), j + 1
end

local value

local function object(s, i)
  local made, key, item, c = {}
  if byte(s, i + 1) == 125 then return made, i + 2 end
  repeat
    key, i = text(s, i + 1)
    item, i = value(s, i + 1)
    made[key] = item
    c = byte(s, i)
  until c == 125
  return made, i + 1
end

local function list(s, i)
  local made, n, item, is_list, c = {}, 0
  if byte(s, i + 1) == 93 then return made, i + 2, true end
  repeat
    item, i, is_list = value(s, i + 1)
    if item ~= nil and not is_list then
      n = n + 1
      made[n] = item
    end
    c = byte(s, i)
  until c == 93
  return made, i + 1, true
end

function value(s, i)
  local c = byte(s, i)
  if c == 34 then return text(s, i) end
  if c == 123 then return object(s, i) end
  if c == 91 then return list(s, i) end
  if c == 116 then return true, i + 4 end
  if c == 102 then return false, i + 5 end
  if c == 110 then return nil, i + 4 end
  local j = find(s, '[,%]}]', i) or #s + 1
  return tonumber(sub(s, i, j - 1)), j
end

local function escaped(c) return format('\\u%04x', byte(c)) end
local function quoted(s) return '"' .. gsub(s, '[%c"\\]', escaped) .. '"' end

local function name(key)
  if type(key) == 'number' then return format('%.17g', key) end
  return tostring(key)
end

-- The last place of the list part.
local function length(t, longest)
  local n = 0
  for key in pairs(t) do
    if type(key) == 'number' and key > n and key % 1 == 0 and key <= longest then n = key end
  end
  return n
end

local function encoder(left, deepest, longest)
  local out, n = {}, 0
  local function put(part)
    n = n + 1
    out[n] = part
    left = left - #part
    if left < 0 then error('TOO MUCH', 0) end
  end

  local write
  local function write_table(t, depth)
    if depth > deepest then error('the table nests deeper than ' .. deepest .. ' levels, or holds itself', 0) end
    local count = length(t, longest)
    if count > 0 then
      for i = 1, count do
        put(i == 1 and '[' or ',')
        write(rawget(t, i), depth)
      end
      return put(']')
    end
    local comma = '{'
    for key, item in pairs(t) do
      put(comma .. quoted(name(key)) .. ':')
      write(item, depth)
      comma = ','
    end
    if comma == ',' then return put('}') end
    local meta = getmetatable(t)
    put(type(meta) == 'table' and rawget(meta, '__is_array') == true and '[]' or '{}')
  end

  function write(v, depth)
    local kind = type(v)
    if kind == 'table' then return write_table(v, depth + 1) end
    if kind == 'string' then return put(quoted(v)) end
    if kind == 'boolean' then return put(v and 'true' or 'false') end
    if kind == 'nil' then return put('null') end
    if kind ~= 'number' then error('json: unsupported type: a Lua ' .. kind, 0) end
    if v ~= v or v == huge or v == -huge then error('json: unsupported value: a number that is not finite', 0) end
    put(format('%.17g', v))
  end

  return function(t)
    write(t, 0)
    return concat(out)
  end
end

return {
  decode = function(s) return (value(s, 1)) end,
  encode = function(t, left, deepest, longest) return encoder(left, deepest, longest)(t) end,
}
"""
