"""Objects and data sets as pure functions: forms of notifications, order, duplicates, listings, rules."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.buckets import catalogue, datasets, objects
from events.buckets.catalogue import Known
from events.buckets.datasets import DataSet, Rule
from events.buckets.objects import Change, Wanted

START = datetime(2026, 11, 26, 12, tzinfo=UTC)


def change(key: str = "in/7/a", number: int = 1, **more: Any) -> Change:
    fields = {
        "bucket": "b",
        "event": "s3:ObjectCreated:Put",
        "time": START + timedelta(seconds=number),
        "sequencer": f"{number:X}".zfill(6),
        "etag": f"e{number}",
    }
    return Change(key=key, **{**fields, **more})


def removed(key: str, number: int) -> Change:
    return change(key, number, event="s3:ObjectRemoved:Delete")


RECORD = {
    "eventSource": "aws:s3",
    "eventName": "ObjectCreated:CompleteMultipartUpload",
    "eventTime": "2026-11-26T12:00:00.123Z",
    "s3": {
        "bucket": {"name": "b"},
        "object": {
            "key": "in/a+b%2B%C3%BC.csv",
            "size": 3,
            "eTag": "e",
            "versionId": "v1",
            "sequencer": "0055AED6DCD90281E5",
        },
    },
}
BRIDGED = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "time": "2026-11-26T12:00:00Z",
    "detail": {
        "bucket": {"name": "b"},
        "object": {
            "key": "in/a b+ü.csv",
            "size": 3,
            "etag": "e",
            "version-id": "v1",
            "sequencer": "0055AED6DCD90281E5",
        },
        "reason": "CompleteMultipartUpload",
    },
}
FORMS = {
    "as it is": {"Records": [RECORD]},
    "in an SNS envelope": {"Type": "Notification", "Message": json.dumps({"Records": [RECORD]})},
    "as an EventBridge event": BRIDGED,
    "EventBridge through SNS": {"Type": "Notification", "Message": json.dumps(BRIDGED)},
    "from MinIO": {"EventName": "x", "Key": "b/in/a", "Records": [RECORD]},
}


@pytest.mark.parametrize("form", FORMS)
def test_one_change_is_read_from_every_form(form: str) -> None:
    (found,) = objects.changes(json.dumps(FORMS[form]))
    assert (found.bucket, found.key) == ("b", "in/a b+ü.csv")
    assert found.event == "s3:ObjectCreated:CompleteMultipartUpload"
    assert (found.size, found.etag, found.version) == (3, "e", "v1")
    assert found.identity == objects.changes(json.dumps(FORMS["as it is"]))[0].identity


@pytest.mark.parametrize(
    ("kind", "detail", "event"),
    [
        ("Object Deleted", {"deletion-type": "Permanently Deleted"}, "s3:ObjectRemoved:Delete"),
        (
            "Object Deleted",
            {"deletion-type": "Delete Marker Created"},
            "s3:ObjectRemoved:DeleteMarkerCreated",
        ),
        ("Object Tags Added", {}, "s3:ObjectTagging:Put"),
        ("Object Created", {"reason": "CopyObject"}, "s3:ObjectCreated:Copy"),
    ],
)
def test_event_bridges_words_become_those_of_notifications(
    kind: str, detail: dict[str, str], event: str
) -> None:
    told = {**BRIDGED, "detail-type": kind, "detail": {**BRIDGED["detail"], "reason": "", **detail}}  # type: ignore[dict-item]
    assert objects.changes(json.dumps(told))[0].event == event


def test_the_test_event_tells_nothing() -> None:
    assert objects.changes('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == []


@pytest.mark.parametrize(
    "text",
    ["", "7", "[]", "null", "{}", '{"Records": [{}]}', '{"Records": 7}', '{"Message": "{}"}', '{"detail-type": "x"}'],
)  # fmt: skip
def test_what_is_no_notification_is_said(text: str) -> None:
    with pytest.raises(objects.NotANotification):
        objects.changes(text)


WORDS = st.sampled_from(["Records", "s3", "detail-type", "Message", "object", "key", "bucket"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_text_breaks_the_reading(text: bytes) -> None:
    try:
        assert isinstance(objects.changes(text), list)
    except objects.NotANotification:
        return


def test_sequencers_of_different_lengths_are_compared_as_s3_says() -> None:
    short, long = change(sequencer="0055AED6DCD902"), change(sequencer="0055AED6DCD90281E5")
    assert objects.is_newer(long, short)
    assert not objects.is_newer(short, long)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("s3:ObjectCreated:*", True),
        ("ObjectCreated:Put", True),
        ("s3:*", True),
        ("s3:ObjectCreated:Copy", False),
        ("s3:ObjectRemoved:*", False),
    ],
)
def test_patterns_of_events_choose(pattern: str, told: bool) -> None:
    assert Wanted(events=(pattern,)).tells(change()) is told


# One key's life: numbers are moments; odd ones make the object, even ones remove it.
LIVES = st.lists(st.integers(1, 9), min_size=1, max_size=14)


def life(numbers: list[int], key: str = "in/7/a") -> list[Change]:
    return [change(key, n) if n % 2 else removed(key, n) for n in numbers]


@settings(deadline=None)
@given(LIVES)
def test_the_newest_change_decides_in_whatever_order_and_however_often(numbers: list[int]) -> None:
    gathered = DataSet("in/7/", {})
    for one in life(numbers):
        gathered = datasets.step(gathered, one)
    (newest,) = life([max(numbers)])
    assert dict(gathered.items) == {"in/7/a": newest}


@settings(deadline=None)
@given(LIVES)
def test_every_change_is_told_under_one_id_however_often_it_comes(numbers: list[int]) -> None:
    known: dict[str, Known] = {}
    ids: dict[int, set[str]] = {}
    for number, one in zip(numbers, life(numbers), strict=True):
        fresh, (telling,) = catalogue.plan(known, [one])
        known.update(fresh)
        ids.setdefault(number, set()).add(telling.told_as)
        assert telling.is_outdated is (number < max(known_numbers(known, number)))
    assert all(len(one) == 1 for one in ids.values())
    assert len(set().union(*ids.values())) == len(ids)


def known_numbers(known: dict[str, Known], number: int) -> list[int]:
    return [number, *(int(one.change.sequencer, 16) for one in known.values())]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=12))
def test_a_listing_before_or_after_the_notification_is_the_same_event(
    steps: list[tuple[int, bool]],
) -> None:
    """Uploads one after the other, each told by a listing, a notification or both: one id each."""
    known: dict[str, Known] = {}
    told: dict[int, set[str]] = {}

    def tell(number: int, changes: list[Change]) -> None:
        fresh, tellings = catalogue.plan(known, changes)
        known.update(fresh)
        told.setdefault(number, set()).update(one.told_as for one in tellings)

    def look(number: int) -> None:
        seen = change(number=number, sequencer="", found_by="listing")
        kept = {key: one.change for key, one in known.items()}
        tell(number, list(objects.missed(kept, [seen], seen.time, None)))

    for number, listing_first in sorted(set(steps)):
        if listing_first:
            look(number)
        tell(number, [change(number=number)])
        look(number)
    assert all(len(ids) == 1 for ids in told.values())


def test_a_listing_finds_what_was_not_told() -> None:
    known = {one.key: one for one in (change("kept", 1), change("gone", 2), change("new", 3))}
    now = START + timedelta(minutes=1)

    def seen(key: str, number: int, **more: Any) -> Change:
        return change(key, number, sequencer="", found_by="listing", **more)

    found = [
        seen("kept", 1),
        seen("new", 30),  # uploaded again
        seen("fresh", 40),
        seen("young", 59),
    ]
    missed = list(objects.missed(known, found, now, 10))
    assert [(one.key, one.is_removed) for one in missed] == [
        ("new", False),
        ("fresh", False),
        ("gone", True),
    ]


def gathered(*keys: str, rule: Rule, expected: tuple[str, ...] | None = None) -> DataSet:
    items = {key: change(key) for key in keys}
    return DataSet("in/7/", {"run": "7"}, items, expected)


RULES = {
    "marker": Rule("in/{run}/", marker="_SUCCESS"),
    "count": Rule("in/{run}/", count=2),
    "patterns": Rule("in/{run}/", patterns=("a-*", "b")),
}


@pytest.mark.parametrize(
    ("name", "keys", "waiting"),
    [
        ("marker", ["in/7/a"], "in/7/_SUCCESS is not there"),
        ("marker", ["in/7/a", "in/7/_SUCCESS"], ""),
        ("count", ["in/7/a"], "1 of 2 objects are there"),
        ("count", ["in/7/a", "in/7/b"], ""),
        ("patterns", ["in/7/a-1", "in/7/c"], "nothing matches b"),
        ("patterns", ["in/7/a-1", "in/7/b"], ""),
    ],
)
def test_a_rule_says_what_a_set_waits_for(name: str, keys: list[str], waiting: str) -> None:
    verdict = datasets.verdict(RULES[name], gathered(*keys, rule=RULES[name]))
    assert verdict.waiting == waiting
    assert "in/7/_SUCCESS" not in [one.key for one in verdict.objects]


def test_what_was_removed_does_not_count() -> None:
    known = datasets.step(gathered("in/7/a", "in/7/b", rule=RULES["count"]), removed("in/7/a", 9))
    assert datasets.verdict(RULES["count"], known).waiting == "1 of 2 objects are there"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (b'{"entries": [{"url": "s3://b/in/7/a"}, {"url": "b"}]}', ("in/7/a", "in/7/b")),
        (b'["a", {"key": "in/7/b"}]', ("in/7/a", "in/7/b")),
        (b'{"files": ["x/y"]}', ("in/7/x/y",)),
        (b"# names\na\n\n b \na\n", ("in/7/a", "in/7/b")),
        (b"[]", ()),
    ],
)
def test_manifests_come_in_several_forms(text: bytes, keys: tuple[str, ...]) -> None:
    assert datasets.manifest_keys(text, "b", "in/7/") == keys


@pytest.mark.parametrize("text", [b"{", b'{"a": 1}', b"[7]", b'["s3://other/a"]', b"\xff", b'[""]'])
def test_a_manifest_that_cannot_be_understood_is_said(text: bytes) -> None:
    with pytest.raises(datasets.BadRule):
        datasets.manifest_keys(text, "b", "in/7/")


def test_a_set_is_named_by_its_place() -> None:
    rule = Rule("in/{day}/{hour}/", count=1)
    found = datasets.of_key(rule, "in/2026-11-26/07/x/y.csv")
    assert found is not None
    assert (found.name, dict(found.values)) == (
        "in/2026-11-26/07/",
        {"day": "2026-11-26", "hour": "07"},
    )
    assert datasets.of_key(rule, "in/2026-11-26/x.csv") is None


def notification(key: str, form: str) -> str:
    """Of an object of that key: by S3, or by EventBridge."""
    if form == "bridge":
        about = {"bucket": {"name": "b"}, "object": {"key": key, "size": 1}}
        return json.dumps({**BRIDGED, "detail": about})
    spelled = quote_plus(key) if form == "plus" else quote(key, safe="")
    what = {"bucket": {"name": "b"}, "object": {"key": spelled, "size": 1}}
    return json.dumps({"Records": [{**RECORD, "s3": what}]})


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["a+b %2B", "a%20b", "", "+", "é/日", "\0"]),
    st.sampled_from(["plus", "percent", "bridge"]),
    st.integers(0, 2),
)
def test_a_key_is_what_it_was_however_it_is_wrapped(key: str, form: str, wrapped: int) -> None:
    text = notification(key, form)
    for _ in range(wrapped):
        text = json.dumps({"Type": "Notification", "Message": text})
    (found,) = objects.changes(text)
    assert (found.bucket, found.key) == ("b", key)


ODD = ["null", "[]", "5", "1e400", "1e300", "-1", "true", '"0001-01-01T00:00:00+14:00"',
       '"9999-12-31T23:59:59.999999Z"', '""', "[" * 400 + "]" * 400]  # fmt: skip


@given(st.sampled_from(["plus", "bridge"]), st.integers(0, 40), st.sampled_from(ODD))
def test_one_odd_value_in_a_notification_is_refused_or_does_no_harm(
    form: str, place: int, odd: str
) -> None:
    """What is remembered before it is told must not fail then: it would at every start."""
    text = notification("in/k", form)
    values = list(re.finditer(r'(?<=: )("[^"]*"|\d+|\{)', text))
    value = values[place % len(values)]
    if value[0] == "{":
        return
    try:
        found = objects.changes(f"{text[: value.start()]}{odd}{text[value.end() :]}")
    except objects.NotANotification:
        return
    wanted = Wanted(bucket="b", events=("s3:*",), prefix="in/", suffix="k")
    for one in found:
        assert wanted.concerns(one) in (True, False)
        assert wanted.tells(one) in (True, False)
        orjson.dumps({"notification": {"Message": {"Records": [one.record]}}, "size": one.size})
        gone = list(objects.missed({one.key: one}, [], START, None))
        assert [left.key for left in gone] == ([] if one.is_removed else [one.key])
