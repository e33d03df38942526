"""CloudEvents over HTTP: what the specification's own Python package writes is read as it was meant."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import cloudevents

EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.placed"}
BINARY = {f"ce-{name}": value for name, value in EVENT.items()}


def read(content_type: str, headers: dict[str, str], body: bytes) -> list[dict[str, Any]]:
    return cloudevents.from_request(content_type, headers, body)


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{"n": 1}', {"data": {"n": 1}}),
        ("application/vnd.x+json; charset=utf-8", b"[1]", {"data": [1]}),
        ("text/plain", "é".encode(), {"data": "é"}),
        ("text/plain", b"\xff", {"data_base64": "/w=="}),
        ("application/octet-stream", b"\x00", {"data_base64": "AA=="}),
        ("", b"7", {"data": 7}),
        ("application/json", b"", {}),
    ],
)
def test_the_body_of_the_binary_mode_is_the_data(
    content_type: str, body: bytes, data: dict[str, Any]
) -> None:
    (event,) = read(content_type, BINARY, body)
    expected = {"datacontenttype": content_type} if content_type else {}
    assert event == {**EVENT, **expected, **data}


def test_a_batch_is_a_list_of_events() -> None:
    assert read(cloudevents.BATCHED, {}, json.dumps([EVENT, EVENT]).encode()) == [EVENT, EVENT]
    assert read(cloudevents.BATCHED, {}, b"[]") == []


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""}, {"source": ""}, {"type": None}, {"specversion": "0.3"}, {"time": "yesterday"},
        {"time": "2026-01-01T00:00:00"}, {"Upper": "x"}, {"with-dash": "x"}, {"nested": {}},
        {"subject": ""}, {"data": 1, "data_base64": "AA=="}, {"data_base64": "?"}, {"id": 7}, {"x": "a\nb"},
    ],
)  # fmt: skip
def test_what_is_no_cloud_event_is_refused(change: dict[str, Any]) -> None:
    body = json.dumps({**EVENT, **change}).encode()
    with pytest.raises(cloudevents.NotACloudEvent):
        read(cloudevents.STRUCTURED, {}, body)
    with pytest.raises(cloudevents.NotACloudEvent, match="event 1 of the batch"):
        read(cloudevents.BATCHED, {}, b"[" + json.dumps(EVENT).encode() + b"," + body + b"]")


@pytest.mark.parametrize(
    ("content_type", "headers", "body"),
    [
        ("application/json", {}, b"{}"),
        ("application/json", BINARY, b"no json"),
        ("application/json", {**BINARY, "ce-data": "x"}, b"{}"),
        (cloudevents.STRUCTURED, {}, b"[]"),
        (cloudevents.STRUCTURED, {}, b"no json"),
        (cloudevents.BATCHED, {}, b"{}"),
        ("application/cloudevents+avro", {}, b""),
    ],
)
def test_what_cannot_be_read_is_refused(
    content_type: str, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(cloudevents.NotACloudEvent):
        read(content_type, headers, body)


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text
)
NAMED = {
    "source",
    "subject",
    "time",
    "type",
    "data",
    "dataschema",
    "datacontenttype",
    "specversion",
}
EXTENSION = st.from_regex(r"[a-z][a-z0-9]{3,12}", fullmatch=True).filter(
    lambda name: name not in NAMED
)
TIMES = st.datetimes(timezones=st.just(UTC))


@settings(deadline=None)  # the first call imports the package
@given(TEXT, TEXT, st.dictionaries(EXTENSION, TEXT, max_size=3), TIMES, st.booleans())
def test_what_the_reference_package_writes_is_read_as_it_was_meant(
    id_: str, type_: str, extensions: dict[str, str], time: datetime, is_binary: bool
) -> None:
    http = pytest.importorskip("cloudevents.core.bindings.http")
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    attributes = {"id": id_, "source": "/shop", "type": type_, "specversion": "1.0", "time": time}
    attributes |= {"datacontenttype": "application/json", **extensions}
    theirs = CloudEvent(attributes=attributes, data={"n": 1.5, "é": None})
    write = http.to_binary if is_binary else http.to_structured
    message = write(theirs, JSONFormat())
    headers = dict(message.headers)
    content_type = next(value for name, value in headers.items() if name.lower() == "content-type")
    (ours,) = read(content_type, headers, message.body)
    assert cloudevents.moment(ours.pop("time")) == time
    del attributes["time"]
    assert ours == {**attributes, "data": {"n": 1.5, "é": None}}


@pytest.fixture
async def send(bench: Any, free_port: Callable[[], int]) -> Callable[..., Any]:
    port = free_port()
    webhook = {"endpoint": "/events", "port": str(port)}
    config = {"webhook": webhook, "allowedOrigins": ["eventgrid.azure.net"]}
    await bench.apply({"cloudevents": {"orders": config}})

    async def with_(body: bytes, method: str = "POST", **headers: str) -> tuple[int, str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{port}/events"
        async with bench.client.request(method, url, data=body, headers=named) as answer:
            return answer.status, await answer.text(), answer.headers

    return with_


async def test_an_event_is_accepted_once_with_its_time_and_attributes(
    bench: Any, send: Callable[..., Any]
) -> None:
    body = json.dumps({**EVENT, "time": "2026-11-26T12:00:00Z", "tenant": "a", "data": {"n": 1}})
    for _ in range(2):
        status, words, _ = await send(body.encode(), content_type=cloudevents.STRUCTURED)
        assert (status, words) == (200, "success")
    (event,) = await bench.events()
    assert event.time == datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert event.attributes == {"cesource": "/shop", "cetype": "order.placed", "tenant": "a"}
    assert json.loads(event.data)["event"]["data"] == {"n": 1}


async def test_a_batch_is_accepted_whole_or_not_at_all(
    bench: Any, send: Callable[..., Any]
) -> None:
    one, other = EVENT, {**EVENT, "id": "2"}
    bad = json.dumps([one, {**EVENT, "id": ""}]).encode()
    assert (await send(bad, content_type=cloudevents.BATCHED))[0] == 400
    good = json.dumps([one, other]).encode()
    assert (await send(good, content_type=cloudevents.BATCHED))[0] == 200
    assert len(await bench.events()) == 2


async def test_senders_may_ask_whether_they_may_send(send: Callable[..., Any]) -> None:
    status, _, headers = await send(b"", "OPTIONS", WebHook_Request_Origin="eventgrid.azure.net")
    assert (status, headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")
    assert (await send(b"", "OPTIONS", WebHook_Request_Origin="evil.example"))[0] == 403
    assert (await send(b"", "GET"))[0] == 405


def test_bytes_survive() -> None:
    raw = bytes(range(256))
    (event,) = read("application/octet-stream", BINARY, raw)
    assert base64.b64decode(event["data_base64"]) == raw
