"""Parameters: where values come from and how they are placed."""

from typing import Any

import pytest
from msgspec import structs

from sensors import parameters
from sensors.errors import BadSensor, CannotResolve

DATA = {"body": {"ref": "main", "size": 8, "none": None, "author": {"name": "ann"}}}


def resolve(make_event: Any, **src: Any) -> Any:
    source = parameters.decode([{"src": {"dependencyName": "a", **src}}])[0].src
    return parameters.resolve(source, {"a": make_event("e1", data=DATA)})


def test_a_data_key_wins_over_a_context_key(make_event: Any) -> None:
    found = resolve(make_event, dataKey="body.ref", contextKey="subject")
    assert (found.text, found.type) == ("main", "String")
    assert resolve(make_event, contextKey="subject").text == "a"


def test_null_is_a_value_and_what_is_missing_takes_the_default(make_event: Any) -> None:
    assert resolve(make_event, dataKey="body.none", value="dflt").text == "null"
    assert resolve(make_event, dataKey="body.gone", value="dflt").text == "dflt"
    with pytest.raises(CannotResolve, match="unable to resolve 'a' parameter value"):
        resolve(make_event, dataKey="body.gone")


def test_a_dependency_without_an_event_is_skipped(make_event: Any) -> None:
    source = parameters.decode([{"src": {"dependencyName": "zz", "dataKey": "x"}}])[0].src
    assert parameters.resolve(source, {}) is None


def place(make_event: Any, target: Any, **parameter: Any) -> Any:
    src = {"dependencyName": "a", "dataKey": "body.size", **parameter.pop("src", {})}
    given = parameters.decode([{"src": src, **parameter}])
    return parameters.apply(target, given, {"a": make_event("e1", data=DATA)})


def test_numbers_land_as_text_unless_raw_data_is_asked_for(make_event: Any) -> None:
    assert place(make_event, {}, dest="x") == {"x": "8"}
    assert place(make_event, {}, dest="x", src={"useRawData": True}) == {"x": 8}


def test_append_and_prepend_make_text_of_what_is_there(make_event: Any) -> None:
    assert place(make_event, {"x": 1}, dest="x", operation="append") == {"x": "18"}
    assert place(make_event, {"x": "v"}, dest="x", operation="prepend") == {"x": "8v"}


def test_the_target_itself_is_not_changed(make_event: Any) -> None:
    target = {"x": {"y": "old"}}
    assert place(make_event, target, dest="x.y") == {"x": {"y": "8"}}
    assert target == {"x": {"y": "old"}}


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"dest": ""}, "path cannot be empty"),
        ({"dest": "x", "operation": "merge"}, "unsupported trigger parameter operation: merge"),
    ],
)
def test_what_cannot_be_placed_says_why(make_event: Any, parameter: Any, message: str) -> None:
    with pytest.raises(BadSensor, match=message):
        place(make_event, {}, **parameter)


def test_an_entry_without_a_destination_is_the_whole_payload(make_event: Any) -> None:
    given = parameters.decode(
        [
            {"src": {"dependencyName": "a", "dataKey": "body.size"}, "dest": "x"},
            {"src": {"dependencyName": "a", "dataKey": "body.ref"}, "dest": ""},
        ]
    )
    events = {"a": make_event("e1", data=DATA)}
    assert parameters.payload(given, events) == b"main"
    assert parameters.payload(given[:1], events) == b'{"x":"8"}'
    assert parameters.payload(given, {}) == b""


def test_a_payload_that_begins_with_an_index_is_a_list(make_event: Any) -> None:
    given = parameters.decode(
        [{"src": {"dependencyName": "a", "dataKey": "body.size"}, "dest": "0"}]
    )
    assert (
        parameters.payload(given, {"a": make_event("e1", data={"body": {"size": 1}})}) == b'["1"]'
    )


def test_an_event_as_a_whole_is_written_as_go_writes_it(make_event: Any) -> None:
    event = structs.replace(make_event("e1"), id="<é>", data=b"")
    found = parameters.resolve(parameters.Source(dependency_name="a"), {"a": event})
    assert found is not None
    assert found.text.startswith('{"context":{"id":"\\u003cé\\u003e","source":')
    assert found.text.endswith(',"data":null}')


def test_yaml_keeps_dates_times_and_floats_as_they_are(make_event: Any) -> None:
    text = b"day: 2026-01-01\nat: 1:30\nsmall: 1e-06\nbig: 1e+20\n"
    event = structs.replace(make_event("e1"), data=text, content_type="application/yaml")
    assert parameters.data_as_json(event) == (
        '{"at":"1:30","big":100000000000000000000,"day":"2026-01-01","small":0.000001}'
    )


def test_yaml_that_cannot_be_read_is_an_error_of_the_parameter(make_event: Any) -> None:
    event = structs.replace(make_event("e1"), data=b"a: [", content_type="application/yaml")
    with pytest.raises(CannotResolve, match="failed converting yaml"):
        parameters.data_as_json(event)
