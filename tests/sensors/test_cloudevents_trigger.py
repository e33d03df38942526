"""The cloudevents trigger, read back by the CloudEvents SDK."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cloudevents.v1.http import from_http

from events.model import Event
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from tests.sensors.acting import Actor, payload
from tests.sensors.conftest import START


class Sink:
    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 202
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    app = web.Application()
    app.router.add_post("/", made.take)
    server = TestServer(app)
    await server.start_server()
    made.url = str(server.make_url("/"))
    yield made
    await server.close()


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_an_event_is_passed_on_as_it_is(sink: Sink, make_event: Any, mode: str) -> None:
    async with Actor("cloudevents") as actor:
        await actor.fire({"a": make_event("e1")}, url=sink.url, mode=mode, subject='naïve "100%"')
    [(headers, body)] = sink.requests
    event = from_http(headers, body)
    assert (event["id"], event["type"], event["source"]) == ("f1", "webhook", "src")
    # The SDK leaves the percent-encoding of headers to its user.
    subject = unquote(event["subject"]) if mode == "binary" else event["subject"]
    assert subject == 'naïve "100%"'
    assert event["datacontenttype"] == "application/json"
    assert event.data == {"body": {"n": 1}}


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_a_payload_is_the_data(sink: Sink, make_event: Any, mode: str) -> None:
    events = {"a": make_event("e1"), "b": make_event("e2", subject="b")}
    async with Actor("cloudevents") as actor:
        await actor.fire(events, url=sink.url, mode=mode, type="own", payload=payload())
    [(headers, body)] = sink.requests
    event = from_http(headers, body)
    assert event.data == {"n": 1}
    assert (event["type"], event["source"], event["subject"]) == ("own", "bireme/default/s", "t")


async def test_bytes_stay_what_they_are(sink: Sink) -> None:
    image = Event(
        id="i", namespace="default", source="src", subject="b", type="s3", time=START,
        data=b"\x00\xff", content_type="image/png",
    )  # fmt: skip
    async with Actor("cloudevents") as actor:
        for mode in ("binary", "structured"):
            await actor.fire({"a": image}, url=sink.url, mode=mode)
    (_, binary), (_, structured) = sink.requests
    assert binary == b"\x00\xff"
    assert json.loads(structured)["data_base64"] == "AP8="


STATUSES = {500: TriggerFailed, 429: TriggerFailed, 400: TriggerRefused, 404: TriggerRefused}


@pytest.mark.parametrize("status", STATUSES)
async def test_only_2xx_is_a_success(sink: Sink, make_event: Any, status: int) -> None:
    sink.status = status
    async with Actor("cloudevents") as actor:
        with pytest.raises(STATUSES[status], match=f"answered {status}"):
            await actor.fire({"a": make_event("e1")}, url=sink.url)
        allowed = {"status": {"allow": [status]}}
        assert (await actor.fire({"a": make_event("e1")}, allowed, url=sink.url)).status == status


def test_what_is_passed_on_must_be_clear(make_event: Any) -> None:
    events = {"a": make_event("e1"), "b": make_event("e2", subject="b")}
    actor = Actor("cloudevents")
    with pytest.raises(BadSensor, match="needs payload, or a dependency out of: a, b"):
        actor.prepared(events, url="http://x")
    with pytest.raises(BadSensor, match="dependency is 'c', which has no event"):
        actor.prepared(events, url="http://x", dependency="c")
    with pytest.raises(BadSensor, match="mode is 'batched'"):
        actor.prepared(events, url="http://x", mode="batched")
    with pytest.raises(BadSensor, match="expected http"):
        actor.prepared(events, url="file:///etc/passwd")
