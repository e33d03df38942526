"""JSON in Avro's binary form. What stands under `AS_UPSTREAM` was written by Argo's own library too (hamba/avro 2.31);
it cannot write whole numbers and bytes of JSON."""

import json
from typing import Any

import pytest

from events import avro
from events.avro_reading import reader

INNER = {"type": "record", "name": "S", "fields": [{"name": "b", "type": "string"}]}
OTHER = {"type": "record", "name": "T", "fields": [{"name": "b", "type": "string"}]}
ENUM = {"type": "enum", "name": "E", "symbols": ["X", "Y"]}
STAMP = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}


def record(kind: Any, **more: Any) -> dict[str, Any]:
    fields = [{"name": "a", "type": kind, **more}]
    return {"type": "record", "name": "R", "namespace": "n", "fields": fields}


def written(schema: Any, value: Any) -> str:
    return avro.written(avro.parsed(json.dumps(schema)), json.dumps(value).encode()).hex()


AS_UPSTREAM: dict[str, tuple[Any, Any, str]] = {
    "a double": (record("double"), {"a": 5}, "0000000000001440"),
    "text of a union as it is": (record(["null", "string"]), {"a": "x"}, "020278"),
    "text of a union by its type": (record(["null", "string"]), {"a": {"string": "x"}}, "020278"),
    "null of a union": (record(["null", "string"]), {"a": None}, "00"),
    "a double of a union": (record(["null", "double"]), {"a": 5}, "020000000000001440"),
    "a record of a union": (record(["null", INNER]), {"a": {"n.S": {"b": "x"}}}, "020278"),
    "a field with a default": (record("string", default="d"), {}, "0264"),
    "a field nobody knows": (record("string"), {"a": "d", "more": 1}, "0264"),
    "an enum": (record(ENUM), {"a": "Y"}, "02"),
}
BESIDES: dict[str, tuple[Any, Any, str]] = {
    "an array": (record({"type": "array", "items": "string"}), {"a": ["x"]}, "02027800"),
    "a whole number": (record("long"), {"a": 5}, "0a"),
    "a whole number that JSON made a float": (record("int"), {"a": 5.0}, "0a"),
    "a whole number of a union": (record(["null", "long"]), {"a": 5}, "020a"),
    "a number of the type it says": (record(["null", "int", "long"]), {"a": {"long": 5}}, "040a"),
    "a float": (record("float"), {"a": 2}, "00000040"),
    "a moment": (record(["null", STAMP]), {"a": {"long.timestamp-millis": 5}}, "020a"),
    "bytes": (record("bytes"), {"a": "a\u00ff"}, "0461ff"),
    "bytes of a union": (record(["null", "bytes"]), {"a": "a"}, "020261"),
    "text before bytes": (record(["bytes", "string"]), {"a": "a"}, "020261"),
    "a decimal's bytes": (record(DECIMAL), {"a": "\u0005"}, "0205"),
    "a decimal's number": (record(DECIMAL), {"a": 1.28}, "040080"),
    "a record of a union that says nothing": (record(["null", INNER]), {"a": {"b": "x"}}, "020278"),
    "a record among alike": (record([INNER, OTHER]), {"a": {"T": {"b": "x"}}}, "020278"),
    "what may be null": (record(["null", "long"]), {}, "00"),
    "a map": (record({"type": "map", "values": "int"}), {"a": {"k": 1}}, "02026b0200"),
}


@pytest.mark.parametrize("name", [*AS_UPSTREAM, *BESIDES])
def test_json_is_written_in_avro(name: str) -> None:
    schema, value, expected = (AS_UPSTREAM | BESIDES)[name]
    assert written(schema, value) == expected


def test_what_was_written_by_a_schema_that_refers_to_itself_is_read_again() -> None:
    schema = {"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]}
    value = {"n": {"L": {"n": {"L": {"n": None}}}}}
    raw = bytes.fromhex(written(schema, value))
    assert json.loads(reader(avro.parsed(json.dumps(schema)))(raw)) == value


MISFITS: dict[str, tuple[Any, Any, str]] = {
    "half a number": (record("long"), {"a": 5.5}, "n.R.a: expected long"),
    "a number too large": (record("int"), {"a": 1 << 40}, "n.R.a: expected int"),
    "text for a number": (record("long"), {"a": "5"}, "n.R.a: expected long"),
    "nothing": (record("string"), {}, "expected string"),
    "a symbol nobody knows": (record(ENUM), {"a": "Z"}, "expected"),
    "a character that is no byte": (record("bytes"), {"a": "\u20ac"}, "does not fit"),
    "a list for a record": (record("long"), [1], "does not fit"),
    "what is nested too deep": (
        {"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]},
        json.loads('{"n":' * 400 + "null" + "}" * 400),
        "nested too deep",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_the_schema_is_told_by_its_place_and_not_shown(name: str) -> None:
    schema, value, said = MISFITS[name]
    with pytest.raises(avro.NotAvro, match=said) as failure:
        written(schema, value)
    assert "5.5" not in str(failure.value)
