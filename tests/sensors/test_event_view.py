"""The quick look at a payload never differs from the thorough one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bireme.lang import gjson
from events.model import Event
from sensors.view import View

KEYS = st.sampled_from(["a", "b", "c-d", "e_1"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=12
)
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(".".join)


def view(data: bytes) -> View:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    names: dict[str, Any] = {
        "namespace": "default",
        "source": "s",
        "subject": "e",
        "type": "webhook",
    }
    made = View(Event(id="1", time=now, data=data, **names))
    assert made.is_json
    return made


def agree(data: bytes, path: str) -> None:
    found, thorough = view(data).find(path), gjson.get(data, path)
    assert found.exists == thorough.exists
    if found.exists:
        assert (found.type, found.text) == (thorough.type, thorough.text)
        assert found.value == thorough.value
        assert type(found.value) is type(thorough.value)


@given(st.dictionaries(KEYS, VALUES), PATHS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_quick_look_agrees_with_gjson(document: Any, path: str, escaped: bool) -> None:
    agree(json.dumps(document, ensure_ascii=escaped).encode("utf-8", "replace"), path)


ODD: dict[str, bytes] = {
    "repeated key": b'{"a": 1, "a": 2}',
    "key hidden by an escape": b'{"a": 1, "\\u0061": 2}',
    "key below another": b'{"b": {"a": 1}, "a": 2}',
    "minus zero": b'{"a": -0}',
    "long number": b'{"a": 12345678901234567890}',
    "number with its own spelling": b'{"a": 1.50}',
    "list on the way": b'{"a": [{"b": 1}]}',
    "unpaired surrogate": b'{"a": "\\ud800"}',
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("path", ["a", "a.b", "b.a"])
def test_odd_documents_are_read_as_gjson_reads_them(name: str, path: str) -> None:
    agree(ODD[name], path)
