"""Avro's binary form to JSON text, as Argo's library writes it (goavro's `TextualFromNative`, Avro's JSON encoding): a
value of a union is `{"type": value}` unless it is null, bytes are text with a character for each of them, logical types
are the numbers they are made of. Pure.

Fields come in the order of the schema, where upstream's come in any.
"""

import struct
from collections.abc import Callable
from typing import Any

import orjson

from events.avro_numbers import Unreadable, double_text, float_text


class Found(list[bytes]):
    """The text so far, in parts. Items of arrays that take no bytes are counted: else a few bytes were gigabytes."""

    empty = 0

    def add_empty(self, count: int) -> None:
        """Raises Unreadable when they are too many."""
        self.empty += count
        if self.empty > _MOST_EMPTY:
            raise Unreadable(f"more than {_MOST_EMPTY} items take no bytes")


Read = Callable[[bytes, int, Found], int]
"""Reads what begins there, adds its text to the list and says where it ends. IndexError: there is no more."""

_MOST_EMPTY = 10_000
_LONGEST = 63  # bits before the last seven of a number
_UNION_NAMES = {
    "long": ("timestamp-millis", "timestamp-micros", "time-micros"),
    "int": ("date", "time-millis"),
    "bytes": ("decimal",),
}
"""Logical types whose name is part of the key that stands before a value of a union."""


def reader(schema: Any) -> Callable[[bytes], bytes]:
    """The text of one value, whatever follows it. Raises Unreadable, as does what it returns."""
    try:
        read = _Readers().of(schema)
    except RecursionError as error:
        raise Unreadable("the schema is nested too deep") from error

    def text(raw: bytes) -> bytes:
        found = Found()
        try:
            read(raw, 0, found)
        except (IndexError, struct.error) as error:
            raise Unreadable("it ends too early") from error
        except RecursionError as error:
            raise Unreadable("it is nested too deep") from error
        return b"".join(found)

    return text


class _Readers:
    """Readers of the types of one schema; those with a name may be used again."""

    def __init__(self) -> None:
        self._named: dict[str, Read] = {}

    def of(self, schema: Any) -> Read:
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str):
            return _PLAIN.get(schema) or self._later(schema)
        kind = schema["type"]
        if not isinstance(kind, str):
            return self.of(kind)
        if kind == "bytes" and schema.get("logicalType") == "decimal":
            return _decimal
        make = _COMPOUND.get(kind)
        return make(self, schema) if make else self.of(kind)

    def _later(self, name: str) -> Read:
        """A type that is defined elsewhere, perhaps around this very use of it."""
        return lambda raw, at, found: self._named[name](raw, at, found)

    def _union(self, schema: list[Any]) -> Read:
        branches = [(_key(one), self.of(one)) for one in schema]

        def read(raw: bytes, at: int, found: Found) -> int:
            index, at = _number(raw, at)
            if not 0 <= index < len(branches):
                raise Unreadable(f"a union of {len(branches)} types has none at {index}")
            key, branch = branches[index]
            if not key:
                found.append(b"null")
                return at
            found.append(key)
            at = branch(raw, at, found)
            found.append(b"}")
            return at

        return read

    def _record(self, schema: Any) -> Read:
        fields: list[tuple[bytes, Read]] = []

        def read(raw: bytes, at: int, found: Found) -> int:
            for before, field in fields:
                found.append(before)
                at = field(raw, at, found)
            found.append(b"}" if fields else b"{}")
            return at

        self._named[schema["name"]] = read
        for field in schema.get("fields", ()):
            before = (b"," if fields else b"{") + orjson.dumps(field["name"]) + b":"
            fields.append((before, self.of(field["type"])))
        return read

    def _enum(self, schema: Any) -> Read:
        symbols = [orjson.dumps(symbol) for symbol in schema["symbols"]]

        def read(raw: bytes, at: int, found: Found) -> int:
            index, at = _number(raw, at)
            if not 0 <= index < len(symbols):
                raise Unreadable(f"{schema['name']} has no symbol {index}")
            found.append(symbols[index])
            return at

        self._named[schema["name"]] = read
        return read

    def _fixed(self, schema: Any) -> Read:
        size = int(schema["size"])

        def read(raw: bytes, at: int, found: Found) -> int:
            part, at = _taken(raw, at, size)
            found.append(_characters(part))
            return at

        self._named[schema["name"]] = read
        return read

    def _array(self, schema: Any) -> Read:
        item = self.of(schema["items"])

        def read(raw: bytes, at: int, found: Found) -> int:
            found.append(b"[")
            count, at = _block(raw, at)
            while count:
                begun = at
                at = item(raw, at, found)
                found.append(b",")
                if at == begun:  # so it is for all of them: their type has no length
                    found.add_empty(count)
                for _ in range(count - 1):
                    at = item(raw, at, found)
                    found.append(b",")
                count, at = _block(raw, at)
            return _closed(found, b"[", b"]", at)

        return read

    def _map(self, schema: Any) -> Read:
        value = self.of(schema["values"])

        def read(raw: bytes, at: int, found: Found) -> int:
            found.append(b"{")
            keys: set[bytes] = set()
            count, at = _block(raw, at)
            while count:
                for _ in range(count):
                    key, at = _sized(raw, at)
                    if key in keys:
                        raise Unreadable("a map has a key twice")
                    keys.add(key)
                    found.append(_text(key) + b":")
                    at = value(raw, at, found)
                    found.append(b",")
                count, at = _block(raw, at)
            return _closed(found, b"{", b"}", at)

        return read


_COMPOUND: dict[str, Callable[[_Readers, Any], Read]] = {
    "record": _Readers._record,
    "error": _Readers._record,
    "enum": _Readers._enum,
    "fixed": _Readers._fixed,
    "array": _Readers._array,
    "map": _Readers._map,
}


def _key(branch: Any) -> bytes:
    """What stands before a value of this branch of a union, nothing for null."""
    name = branch if isinstance(branch, str) else branch.get("name") or branch["type"]
    if name == "null":
        return b""
    logical = branch.get("logicalType") if isinstance(branch, dict) else None
    if logical in _UNION_NAMES.get(name, ()):
        name = f"{name}.{logical}"
    return b"{" + orjson.dumps(name) + b":"


def _closed(found: Found, opening: bytes, closing: bytes, at: int) -> int:
    """The last comma makes room for the end."""
    if found[-1] == opening:
        found.append(closing)
    else:
        found[-1] = closing
    return at


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := raw[at]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if shift > _LONGEST:
            raise Unreadable("a number is longer than 64 bits")
    value |= byte << shift
    return (value >> 1) ^ -(value & 1), at + 1


def _block(raw: bytes, at: int) -> tuple[int, int]:
    """How many items follow; a negative count has the length in bytes behind it."""
    count, at = _number(raw, at)
    if count < 0:
        count = -count
        _, at = _number(raw, at)
    if count > max(len(raw), _MOST_EMPTY):
        raise Unreadable(f"a block of {count} items does not fit into {len(raw)} bytes")
    return count, at


def _taken(raw: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if size < 0 or end > len(raw):
        raise IndexError
    return raw[at:end], end


def _sized(raw: bytes, at: int) -> tuple[bytes, int]:
    size, at = _number(raw, at)
    return _taken(raw, at, size)


def _characters(raw: bytes) -> bytes:
    return orjson.dumps(raw.decode("latin-1"))


def _text(raw: bytes) -> bytes:
    return orjson.dumps(raw.decode("utf-8", "replace"))


def _null(raw: bytes, at: int, found: Found) -> int:
    found.append(b"null")
    return at


def _boolean(raw: bytes, at: int, found: Found) -> int:
    if raw[at] > 1:
        raise Unreadable(f"a boolean is {raw[at]}")
    found.append(b"true" if raw[at] else b"false")
    return at + 1


def _long(raw: bytes, at: int, found: Found) -> int:
    value, at = _number(raw, at)
    found.append(b"%d" % value)
    return at


def _int(raw: bytes, at: int, found: Found) -> int:
    value, at = _number(raw, at)
    if not -(1 << 31) <= value < 1 << 31:
        raise Unreadable("an int is longer than 32 bits")
    found.append(b"%d" % value)
    return at


def _float(raw: bytes, at: int, found: Found) -> int:
    (value,) = struct.unpack_from("<f", raw, at)
    found.append(float_text(value))
    return at + 4


def _double(raw: bytes, at: int, found: Found) -> int:
    (value,) = struct.unpack_from("<d", raw, at)
    found.append(double_text(value))
    return at + 8


def _bytes(raw: bytes, at: int, found: Found) -> int:
    part, at = _sized(raw, at)
    found.append(_characters(part))
    return at


def _string(raw: bytes, at: int, found: Found) -> int:
    part, at = _sized(raw, at)
    found.append(_text(part))
    return at


def _decimal(raw: bytes, at: int, found: Found) -> int:
    """In as few bytes as it takes."""
    part, at = _sized(raw, at)
    value = int.from_bytes(part, signed=True)
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    found.append(_characters(value.to_bytes(size, signed=True)))
    return at


_PLAIN: dict[str, Read] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _float,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}
