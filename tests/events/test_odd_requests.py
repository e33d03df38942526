"""What strangers can send to HTTP sources: it is answered as their fault, and what is answered 200 can be read."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.servers.waiting import until

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
STRUCTURED = b"Content-Type: application/cloudevents+json\r\n"
SNS = {
    "Type": "Notification",
    "MessageId": "1",
    "TopicArn": "arn:t",
    "Message": "x",
    "Signature": "x",
}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
DEEP = b"[" * 400 + b"]" * 400


class Doors:
    """One listener with a source of many kinds, each at the path of its name."""

    def __init__(self, bench: Any, port: int) -> None:
        self.bench, self.port = bench, port

    async def open(self) -> None:
        def at(path: str, **config: Any) -> dict[str, Any]:
            return {path: {"webhook": {"endpoint": f"/{path}", "port": str(self.port)}, **config}}

        await self.bench.apply(
            {
                "webhook": {
                    name: {"endpoint": f"/{name}", "port": str(self.port), "method": method}
                    for name, method in (("push", "POST"), ("query", "GET"))
                },
                "github": at("github"),
                "gitlab": at("gitlab"),
                "bitbucket": at("bitbucket"),
                "bitbucketserver": at("server", oneEventPerChange=True),
                "stripe": at("stripe"),
                "cloudevents": at("cloudevents", allowedOrigins=["*"]),
                "storageGrid": at("grid", bucket="b", events=["*"]),
                "sns": at("sns", topicArn="arn:t", region="eu-west-1"),
            }
        )
        assert {one.state for one in self.bench.bank.status()} == {"listening"}

    async def ask(
        self, path: str, head: bytes = b"", body: bytes = b"", method: str = "POST"
    ) -> int:
        """The status of the answer; bytes go out as they are."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        line = f"{method} /{path} HTTP/1.1\r\nHost: x\r\n".encode("latin-1")
        writer.write(line + head + length + body)
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    async def kept(self) -> list[bytes]:
        """What is in the log; unlike reading it, this does not wait while it is empty."""
        rows = await self.bench.database.read("SELECT data FROM events ORDER BY seq")
        return [bytes(data) for (data,) in rows]


@pytest.fixture
async def doors(bench: Any, free_port: Callable[[], int]) -> Doors:
    opened = Doors(bench, free_port())
    await opened.open()
    return opened


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def faults(said: list[Any]) -> list[Any]:
    return [one for one in said if one["log_level"] == "error"]


def ce(**members: Any) -> bytes:
    return json.dumps({**EVENT, **members}).encode()


def notified(size: str) -> bytes:
    about = f'"bucket": {{"name": "b"}}, "object": {{"key": "k", "size": {size}}}'
    event = '"eventName": "ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00Z"'
    return f'Message={{"Records": [{{"s3": {{{about}}}, {event}}}]}}'.encode()


@pytest.mark.parametrize(
    ("path", "head", "body"),
    [
        ("github", FORM, b"&".join([b"a=1"] * 200)),
        ("github", FORM, b"payload=\xff\xfe"),
        ("github", FORM, b"payload=%ff%fe"),
        ("server", b"X-Event-Key: repo:refs_changed\r\n", b'{"changes": [%b]}' % DEEP),
        ("sns", b"", json.dumps({**SNS, "SigningCertURL": "https://[sns/a.pem"}).encode()),
        ("sns", b"", b'{"Unknown": %b}' % DEEP * 2),
        ("cloudevents", STRUCTURED, ce(time="0001-01-01T00:00:00+14:00")),
        ("cloudevents", STRUCTURED, ce(time="9999-12-31T23:59:59-14:00")),
        ("cloudevents", STRUCTURED, ce()[:-1] + b', "data": %b}' % DEEP),
        ("grid", FORM, notified("1e400")),
        ("grid", FORM, notified("1e300")),
        ("grid", FORM, notified("1").replace(b'"k"', b"5")),
        ("grid", FORM, notified("1").replace(b'"b"', b"[]")),
        ("grid", FORM, notified("1").replace(b'"size"', b'"a": %b, "size"' % DEEP)),
    ],
    ids=[
        "a form of too many fields", "a form that is no text", "escapes that are no text",
        "a change nested deeply", "no address", "an envelope nested deeply", "before the year 1",
        "after the year 9999", "data nested deeply", "no end of bytes", "too many bytes",
        "a key that is no text", "a bucket that is no text", "a record nested deeply",
    ],
)  # fmt: skip
async def test_a_body_that_can_be_no_event_is_the_senders_fault(
    doors: Doors, said: list[Any], path: str, head: bytes, body: bytes
) -> None:
    assert await doors.ask(path, head, body) == 400
    assert faults(said) == []
    assert await doors.kept() == []


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("github", "X-GitHub-Delivery"),
        ("github", "X-GitHub-Event"),
        ("gitlab", "Idempotency-Key"),
        ("bitbucket", "X-Request-UUID"),
        ("server", "X-Request-Id"),
    ],
)
async def test_headers_that_are_no_text_are_taken_as_far_as_they_are(
    doors: Doors, path: str, header: str
) -> None:
    for value in (b"\xff1", b"\xfe1", b"\xff1"):
        assert await doors.ask(path, header.encode() + b": " + value + b"\r\n", b"{}") == 200
    events = await doors.bench.events()
    # By a delivery id that is no text two deliveries are told apart, and one that comes again is known.
    assert len(events) == (3 if header == "X-GitHub-Event" else 2)
    assert all("�1" in json.dumps(json.loads(one.data), ensure_ascii=False) for one in events)


async def test_the_last_moment_of_time_can_be_read_again(doors: Doors) -> None:
    """As a float it is the first of the year 10000."""
    body = ce(time="9999-12-31T23:59:59.999999Z")
    assert await doors.ask("cloudevents", STRUCTURED, body) == 200
    (event,) = await doors.bench.events()
    assert event.time.isoformat() == "9999-12-31T23:59:59+00:00"


async def test_an_origin_that_is_no_text_gets_no_consent(doors: Doors, said: list[Any]) -> None:
    origin = b"WebHook-Request-Origin: \xff\r\n"
    assert await doors.ask("cloudevents", origin, method="OPTIONS") == 403
    assert faults(said) == []


async def test_what_is_no_http_leaves_one_line_without_a_traceback(
    doors: Doors, said: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert await doors.ask("push", b"Content-Length: -1\r\n") == 400
    assert await doors.ask("push", b"X-\xe4: 1\r\n") == 400
    assert [one["event"] for one in said if one["log_level"] == "info"] == [
        "request_is_no_http"
    ] * 2
    assert caplog.records == []


async def test_a_sender_that_goes_away_in_its_body_is_no_fault_of_ours(
    doors: Doors, said: list[Any]
) -> None:
    def in_hand() -> int:
        (listener,) = doors.bench.listeners._open.values()
        return int(listener._gate._requests)

    _, writer = await asyncio.open_connection("127.0.0.1", doors.port)
    writer.write(b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    await until(lambda: in_hand() == 1, "the request is there")
    writer.transport.abort()
    await until(lambda: in_hand() == 0, "the request is gone")
    assert faults(said) == []


PATHS = [
    "push",
    "query",
    "github",
    "gitlab",
    "bitbucket",
    "server",
    "stripe",
    "cloudevents",
    "grid",
]
words = st.sampled_from(
    ["\xff", "%ff", "%00", "1.0", "/s", "", "é", "1e400", '"', "a=b&c", "2026-01-01"]
)
json_texts = st.recursive(
    st.sampled_from(["null", "1e400", "-0", "1" * 40, '"\\u0000"', '"\\ud800"', "NaN", '"é"', DEEP.decode(), "{}"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda some: f"[{','.join(some)}]")
    | st.dictionaries(
        st.sampled_from([*EVENT, "data", "time", "changes", "Records", "Message", "", "a.b"]), inner, max_size=4
    ).map(lambda some: "{" + ",".join(f'"{name}":{one}' for name, one in some.items()) + "}"),
    max_leaves=8,
)  # fmt: skip
bodies = st.binary(max_size=30) | json_texts.map(lambda text: text.encode())
heads = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "X-GitHub-Delivery", "Idempotency-Key", "X-Event-Key", "ce-id", "ce-specversion",
         "ce-source", "ce-type", "ce-time", "ce-other", "Content-Encoding", "Authorization"]
    ),
    words | st.sampled_from(["application/cloudevents+json", "application/x-www-form-urlencoded"]),
)  # fmt: skip


@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(["POST", "GET", "OPTIONS"]),
    head=heads,
    body=bodies,
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_comes_is_kept_readable_or_refused(
    doors: Doors, said: list[Any], path: str, method: str, head: dict[str, str], body: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode("latin-1")
    before = len(await doors.kept())
    status = await doors.ask(path, lines, body, method)
    assert status < 500
    assert faults(said) == []
    new = (await doors.kept())[before:]
    assert not new or status == 200
    assert all(isinstance(json.loads(one), dict) for one in new)
