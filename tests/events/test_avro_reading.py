"""Avro as JSON text. What is expected was written by Argo's own library, goavro 2.11.1, where nothing else is said."""

import json
import struct
from typing import Any

import pytest

from events import avro
from events.avro_numbers import Unreadable
from events.avro_reading import reader


def text(schema: Any, raw: bytes) -> str:
    return reader(avro.parsed(json.dumps(schema)))(raw).decode()


def record(*types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": one} for number, one in enumerate(types)]
    return {"type": "record", "name": "R", "namespace": "a.b", "fields": fields}


STAMP = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
UUID = {"type": "string", "logicalType": "uuid"}

TEXTS: dict[str, tuple[Any, bytes, str]] = {
    "null": ("null", b"", "null"),
    "a boolean": ("boolean", b"\x01", "true"),
    "a negative number": ("long", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", str(-(1 << 63))),
    "text": ("string", b"\x0a\xc3\xa9\"\\\n", '"é\\"\\\\\\n"'),
    "bytes, a character for each": ("bytes", b"\x06a\x00\xff", '"a\\u0000ÿ"'),
    "a fixed": (FIXED, b"\x80a", '"\x80a"'),
    "an enum": (ENUM, b"\x02", '"B"'),
    "an array in blocks": ({"type": "array", "items": "int"}, b"\x02\x02\x03\x04\x04\x06\0", "[1,2,3]"),
    "an empty array": ({"type": "array", "items": "int"}, b"\0", "[]"),
    "a map": ({"type": "map", "values": "int"}, b"\x04\x02a\x02\x02b\x04\0", '{"a":1,"b":2}'),
    "an empty record": (record(), b"", "{}"),
    "a record in the order of its schema": (record("int", "null"), b"\x02", '{"f0":1,"f1":null}'),
    "null in a union": (["null", "int"], b"\0", "null"),
    "a plain type in a union": (["null", "int", "long"], b"\x04\x02", '{"long":1}'),
    "a moment in a union": (["null", STAMP], b"\x02\x02", '{"long.timestamp-millis":1}'),
    "a decimal in a union": (["null", DECIMAL], b"\x02\x04\x00\x05", '{"bytes.decimal":"\\u0005"}'),
    "a uuid in a union": (["null", UUID], b"\x02\x02a", '{"string":"a"}'),
    "a record in a union": (["null", record("int")], b"\x02\x02", '{"a.b.R":{"f0":1}}'),
    "an array in a union": ([{"type": "array", "items": "int"}], b"\0\0", '{"array":[]}'),
    "a moment": (STAMP, b"\x80\xa8\xd6\xb9\x07", "1000000000"),
    "a decimal, shortened": (DECIMAL, b"\x06\xff\xff\x80", '"\x80"'),
    "a decimal of no bytes": (DECIMAL, b"\0", '"\\u0000"'),
    "what follows is not looked at": ("int", b"\x02zz", "1"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_value_is_written_as_upstreams_library_writes_it(name: str) -> None:
    schema, raw, expected = TEXTS[name]
    assert text(schema, raw) == expected


NUMBERS = {
    0.0: "0", 2.0: "2", 0.1: "0.1", 123456.0: "123456", 1e6: "1e+06", 1234567.5: "1.2345675e+06",
    1e-4: "0.0001", 1e-5: "1e-05", 1e21: "1e+21", 5e-324: "5e-324", -1.7976931348623157e308: "-1.7976931348623157e+308",
    float("nan"): "null",
}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_a_double_is_written_as_go_writes_it(number: float) -> None:
    assert text("double", struct.pack("<d", number)) == NUMBERS[number]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("cdcccc3d", "0.1"), ("ffff7f7f", "3.4028235e+38"), ("01000000", "1e-45"), ("80969849", "1.25e+06")],
)  # fmt: skip
def test_a_float_has_as_few_digits_as_tell_it_from_its_neighbours(raw: str, expected: str) -> None:
    assert text("float", bytes.fromhex(raw)) == expected


LIST = {"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]}

UNREADABLE: dict[str, tuple[Any, bytes, str]] = {
    "nothing": ("int", b"", "too early"),
    "half a double": ("double", b"1234567", "too early"),
    "text longer than the message": ("string", b"\x08ab", "too early"),
    "text of negative length": ("string", b"\x01ab", "too early"),
    "a number without end": ("long", b"\xff" * 11, "longer than 64 bits"),
    "an int that is a long": ("int", b"\x80\x80\x80\x80\x20", "longer than 32 bits"),
    "a boolean of two": ("boolean", b"\x02", "a boolean is 2"),
    "a union's type before the first": (["null", "int"], b"\x01", "none at -1"),
    "a union's type behind the last": (["null", "int"], b"\x04", "none at 2"),
    "a symbol before the first": (ENUM, b"\x01", "no symbol -1"),
    "a map with a key twice": ({"type": "map", "values": "null"}, b"\x04\x02a\x02a\0", "a key twice"),
    "an infinite number": ("double", struct.pack("<d", float("inf")), "infinite"),
    "nothing, a billion times": (
        {"type": "array", "items": "null"}, b"\x80\xa8\xd6\xb9\x07\0", "does not fit",
    ),
    "nothing, in many blocks": (
        {"type": "array", "items": "null"}, b"\xa0\x9c\x01" * 2 + b"\0", "items take no bytes",
    ),
    "nothing, in many arrays": (
        {"type": "array", "items": {"type": "array", "items": "null"}},
        b"\x04" + b"\xa0\x9c\x01\0" * 2 + b"\0",
        "items take no bytes",
    ),
    "a list of ten thousand": (LIST, b"\x02" * 10_000 + b"\0", "nested too deep"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_value_of_the_schema_is_told_and_ends_nothing(name: str) -> None:
    schema, raw, said = UNREADABLE[name]
    with pytest.raises(Unreadable, match=said):
        text(schema, raw)


def test_zero_keeps_its_sign() -> None:
    assert text("double", struct.pack("<d", -0.0)) == "-0"


def test_a_schema_nested_too_deep_is_told() -> None:
    nested = '{"type":"array","items":' * 900 + '"int"' + "}" * 900
    with pytest.raises(Unreadable, match="schema is nested too deep"):
        reader(avro.parsed(nested))


def test_a_schema_that_refers_to_itself_is_followed() -> None:
    assert text(LIST, b"\x02\x02\x00") == '{"n":{"L":{"n":{"L":{"n":null}}}}}'


@pytest.mark.parametrize("schema", ["{", '"strin"', '{"type": "fixed", "name": "R"}', "[" * 2000])
def test_what_is_no_schema_is_told(schema: str) -> None:
    with pytest.raises(avro.NotAvro):
        avro.parsed(schema)
