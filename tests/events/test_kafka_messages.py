"""Kafka's messages as events, and how many of them go into one commit: without a broker."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from events import gotime, streams
from events.kafka_messages import Batch, Mark, Messages
from events.pace import Pace
from events.ports import Place

ONE = TopicPartition("orders", 3)


def record(offset: int, value: bytes | None, headers: Any = ()) -> ConsumerRecord[Any, Any]:
    return ConsumerRecord(
        "orders", 3, offset, 1784365200123, 0, b"k", value, None, 1, len(value or b""), headers
    )


def messages(**more: Any) -> Messages:
    given = {"json_body": True, "metadata": None, **more}
    return Messages(Place("default", "hooks", "kafka", "new"), "broker:9092", **given)


def test_messages_keep_their_order_and_poison_keeps_its_place() -> None:
    batch = Batch(1)
    messages().take(batch, ONE, [record(7, b"1"), record(8, b"{"), record(11, b"2")], 0)
    assert [event.id for event in batch.events] == [
        "hooks:new:broker:9092:orders:3:7",
        "hooks:new:broker:9092:orders:3:11",
    ]
    (poison,) = batch.poison
    assert (poison.where, poison.raw) == ({"topic": "orders", "partition": 3, "offset": 8}, b"{")
    assert (batch.count, batch.ends) == (3, {ONE: 12})


def test_what_is_read_again_on_purpose_has_other_ids() -> None:
    batch = Batch(1)
    messages().take(batch, ONE, [record(7, b"1")], 2)
    assert batch.events[0].id == "hooks:new:broker:9092:orders:3:7:2"


def test_a_payload_has_upstreams_members_and_the_events_own_metadata() -> None:
    batch = Batch(1)
    given = record(7, None, [("h", b"\xff"), ("h", b"x"), ("without", None)])
    messages(json_body=False, metadata={"m": "x"}).take(batch, ONE, [given], 0)
    assert orjson.loads(batch.events[0].data) == {
        "topic": "orders",
        "key": "k",
        "partition": 3,
        "body": "",
        "timestamp": "2026-07-18 09:00:00.123 +0000 UTC",
        "headers": {"h": "x", "without": ""},
        "metadata": {"m": "x"},
    }


@given(st.integers(0, 1 << 62), st.integers(0, 1000))
def test_a_mark_reads_as_it_was_written(offset: int, generation: int) -> None:
    mark = Mark(offset, generation)
    assert Mark.decode(mark.encode()) == mark


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_time_in_milliseconds_is_shown_as_the_moment_it_is(since_epoch: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since_epoch)
    assert gotime.of_milliseconds(since_epoch) == gotime.shown(moment)


@pytest.mark.parametrize(
    ("since_epoch", "shown"),
    [
        (1_784_365_200_123_000, "58514-04-14 00:02:03 +0000 UTC"),
        (253_402_300_800_000, "10000-01-01 00:00:00 +0000 UTC"),
        (-62_135_596_800_001, "0000-12-31 23:59:59.999 +0000 UTC"),
        (-62_167_219_200_001, "-0001-12-31 23:59:59.999 +0000 UTC"),
        ((1 << 63) - 1, "292278994-08-17 07:12:55.807 +0000 UTC"),
    ],
)
def test_a_time_that_was_given_in_a_wrong_unit_is_shown_as_go_shows_it(
    since_epoch: int, shown: str
) -> None:
    assert gotime.of_milliseconds(since_epoch) == shown


@given(
    st.none()
    | st.binary(max_size=20)
    | st.sampled_from([b'{"a": 1e400}', b'"\\ud800"', b"\xef\xbb\xbf1"]),
    st.none() | st.binary(max_size=5),
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.binary())),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.booleans(),
)
def test_any_message_is_an_event_in_json_or_poison_with_a_reason(
    value: bytes | None, key: bytes | None, headers: Any, moment: int, json_body: bool
) -> None:
    batch = Batch(1)
    given = ConsumerRecord("orders", 3, 7, moment, 0, key, value, None, 1, 1, headers)
    messages(json_body=json_body).take(batch, ONE, [given], 0)
    assert len(batch.events) + len(batch.poison) == batch.count == 1
    assert all(one.reason and one.raw == value for one in batch.poison)
    assert all(isinstance(orjson.loads(one.data), dict) for one in batch.events)


def test_batches_grow_while_commits_are_quick_and_shrink_when_one_holds_up_others() -> None:
    pace = Pace(500, 4000)
    sizes = []
    for seconds in (0.01, 0.01, 0.01, 0.01, 0.3, 0.9, 0.9, 0.9, 0.9):
        pace.took(seconds, pace.most)
        sizes.append(pace.most)
    assert sizes == [1000, 2000, 4000, 4000, 4000, 2000, 1000, 500, 500]


def test_a_batch_that_was_not_full_says_nothing_about_larger_ones() -> None:
    pace = Pace(500, 4000)
    pace.took(0.01, 499)
    assert pace.most == 500


@pytest.mark.parametrize("blank", [" ", "\n", "\t", "\r"])
def test_a_body_loses_each_kind_of_blank_between_its_parts_and_none_in_its_texts(
    blank: str,
) -> None:
    text = f'{{"a":{blank}[1,{blank}"b c"]}}{blank}'.encode()
    assert streams.compact(text) == b'{"a":[1,"b c"]}'
    assert streams.compact(b'{"a":[1]}') == b'{"a":[1]}'


def test_a_body_nested_as_deep_as_can_be_read_stays_good_json() -> None:
    text = b"[" * 1000 + b" 1 " + b"]" * 1000
    orjson.loads(text)
    assert streams.compact(b" " + text + b"\n") == text
