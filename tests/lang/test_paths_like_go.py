"""Rules of the path languages that the recorded answers touch little: found by comparing with the Go libraries."""

import pytest

from bireme.lang import gjson, jsonpath, sjson
from bireme.lang.errors import LangError

LIST = {"list": [1, 2, 3, 4], "people": [{"age": 43.0}, {"age": 42.0}]}


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("missing.@values", "[]"),  # a modifier is applied to nothing
        ("missing|@this", ""),
        ("missing.deeper.@values", ""),  # but only to the last step
        ('{"n":a}b', "2"),  # what is stuck to a multipath takes its place
        ("#(a==1)##(b==2)#.a", ""),
    ],
)
def test_gjson(path: str, raw: str) -> None:
    assert gjson.get('{"a":1,"b":2}', path).raw == raw


@pytest.mark.parametrize(
    ("document", "path", "made"),
    [
        (None, "2", [None, None, "x"]),  # a number makes a list even at the top
        (None, "-1", {"-1": "x"}),
        ({}, "a.", {"a": ["x"]}),  # an empty name is the end of a list
        ([1], ".b", [1, {"b": "x"}]),
        ({}, "a\\.b.c", {"a.b": {"c": "x"}}),
        ({}, "a\\\\.b", {"a\\": {"b": "x"}}),
    ],
)
def test_sjson(document: object, path: str, made: object) -> None:
    assert sjson.set(document, path, "x") == made


@pytest.mark.parametrize(
    ("document", "path", "made"),
    [
        ({}, "{x}", {"{x}": "x"}),
        ({}, "!x", {"!x": "x"}),
        ({}, "a.[0]", {"a": {"[0]": "x"}}),
        ({"a": "s"}, "a.-1", {"a": {"-1": "x"}}),
        ({"a": None}, "a.-1", {"a": {"-1": "x"}}),
        ({}, "a.-1", {"a": ["x"]}),
        ({"a": []}, "a.1.-1", {"a": [None, ["x"]]}),
        (None, "0", ["x"]),
    ],
)
def test_sjson_reads_odd_names_as_names(document: object, path: str, made: object) -> None:
    assert sjson.set(document, path, "x") == made


def test_sjson_refuses_a_number_written_as_a_name_in_a_list() -> None:
    with pytest.raises(LangError, match="non-numeric key '1'"):
        sjson.set({"a": [1]}, "a.:1", "x")


def test_sjson_deletes_from_a_list_by_a_number_however_it_is_written() -> None:
    assert sjson.delete([1, 2], ":1") == [1]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$['list','nope']", [[1, 2, 3, 4]]),  # of a union, what leads somewhere
        ("$.list[0,9]", [1]),
        ("$.list[1:4:-2]", [4, 2]),  # a step backwards walks the same part from its end
        ("$.list[-1::-1]", [4]),
        ("$.people[?(@.age%2==0)].age", [42.0]),
    ],
)
def test_jsonpath(path: str, found: object) -> None:
    assert jsonpath.find(LIST, path) == found


def test_jsonpath_refuses_a_bound_that_is_no_number() -> None:
    with pytest.raises(LangError, match="does not match any token format"):
        jsonpath.find(LIST, "$.list[-:]")
