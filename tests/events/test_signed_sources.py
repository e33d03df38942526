"""slack, stripe, storageGrid and signedWebhook: signatures, replay, answers, shapes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.servers import webapi

KEY = b"s3cret"
FORM = "application/x-www-form-urlencoded"


class Hook:
    """One kind under test."""

    def __init__(self, bench: Any, port: int) -> None:
        self.bench, self.port = bench, port
        known = {
            "secret": KEY,
            "token": b"t",
            "key": b"sk_test",
            "grid": b"grid-token",
            "old": b"old",
        }
        for name, value in known.items():
            bench.secrets.values["hook", name] = value

    async def apply(self, kind: str, url: str = "", **config: Any) -> None:
        webhook = {"endpoint": "/hook", "port": str(self.port), "url": url}
        await self.bench.apply({kind: {"hook": {"webhook": webhook, **config}}})

    async def send(self, body: bytes, method: str = "POST", **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}/hook"
        async with self.bench.client.request(method, url, data=body, headers=named) as answer:
            return answer.status, await answer.text()

    async def payloads(self) -> list[Any]:
        rows = await self.bench.database.read("SELECT data FROM events ORDER BY seq")
        return [json.loads(row[0]) for row in rows]


@pytest.fixture
def hook(bench: Any, free_port: Callable[[], int]) -> Hook:
    return Hook(bench, free_port())


def ref(key: str) -> dict[str, str]:
    return {"name": "hook", "key": key}


def now(shift_s: int = 0) -> str:
    return str(int(datetime.now(UTC).timestamp()) + shift_s)


def hexed(text: bytes, key: bytes = KEY) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def slack(body: bytes, stamp: str = "", key: bytes = KEY) -> dict[str, str]:
    stamp = stamp or now()
    return {
        "x_slack_request_timestamp": stamp,
        "x_slack_signature": "v0=" + hexed(f"v0:{stamp}:".encode() + body, key),
    }


@pytest.fixture
async def slacked(hook: Hook) -> Hook:
    await hook.apply("slack", token=ref("token"), signingSecret=ref("secret"))
    return hook


def test_slacks_signature_is_that_of_its_documentation() -> None:
    body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"  # noqa: E501
    made = slack(body, "1531420618", b"8f742231b10e8888abcd99yyyzzz85a5")
    expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert made["x_slack_signature"] == expected


async def test_slack_asks_whether_the_address_is_ours(slacked: Hook) -> None:
    body = b'{"type": "url_verification", "challenge": "c-1"}'
    assert await slacked.send(body, **slack(body)) == (200, "c-1")
    assert await slacked.send(body) == (
        401,
        "the signed timestamp is missing or no number of seconds",
    )
    assert await slacked.payloads() == []


async def test_slack_events_interactions_and_commands_come_unwrapped(slacked: Hook) -> None:
    event = {"type": "event_callback", "event_id": "E1", "event": {"type": "message", "text": "é"}}
    body = json.dumps(event).encode()
    for _ in range(2):
        assert await slacked.send(body, **slack(body)) == (200, "success")
    form = urlencode({"payload": '{"type": "block_actions", "trigger_id": "1"}'}).encode()
    assert await slacked.send(form, content_type=FORM, **slack(form)) == (200, "success")
    command = urlencode({"command": "/go", "text": "", "trigger_id": "2"}).encode()
    assert await slacked.send(command, content_type=FORM, **slack(command)) == (200, "success")
    assert await slacked.payloads() == [
        {"type": "message", "text": "é"},
        {"type": "block_actions", "trigger_id": "1"},
        {"command": "/go", "text": "", "trigger_id": "2"},
    ]


@pytest.mark.parametrize("shift_s", [-400, 400])
async def test_an_old_slack_request_is_not_played_again(slacked: Hook, shift_s: int) -> None:
    status, words = await slacked.send(b"{}", **slack(b"{}", now(shift_s)))
    assert (status, words) == (401, "the signed timestamp is too far from now")


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"no json", {}), (b"[]", {}), (b"a=1", {"content_type": FORM}), (b'{"type": "event_callback"}', {})],
)  # fmt: skip
async def test_what_slack_never_sends_is_refused(
    slacked: Hook, body: bytes, headers: dict[str, str]
) -> None:
    assert (await slacked.send(body, **headers, **slack(body)))[0] == 400
    assert (await slacked.send(body, **headers, **slack(body, key=b"wrong")))[0] == 401


def stripe(body: bytes, key: bytes = KEY, shift_s: int = 0) -> dict[str, str]:
    stamp = now(shift_s)
    wrong, right = hexed(b"old"), hexed(f"{stamp}.".encode() + body, key)
    return {"stripe_signature": f"t={stamp},v1={wrong},v1={right},v0=x"}


async def test_stripes_events_are_verified_and_kept_whole(hook: Hook) -> None:
    await hook.apply("stripe", signingSecret=ref("secret"), eventFilter=["charge.failed"])
    body = b'{"id": "evt_1", "type": "charge.failed", "unknown": 1.50}'
    for _ in range(2):
        assert await hook.send(body, **stripe(body)) == (200, "success")
    assert (await hook.send(body))[0] == 400
    assert (await hook.send(body, **stripe(body, b"other")))[0] == 400
    assert (await hook.send(body, **stripe(body, shift_s=-400)))[0] == 400
    other = b'{"id": "evt_2", "type": "charge.succeeded"}'
    assert await hook.send(other, **stripe(other)) == (400, "invalid event")
    for bad in (b"[]", b'{"type": 7}'):
        assert await hook.send(bad, **stripe(bad)) == (400, "failed to parse the event")
    assert await hook.payloads() == [{"event": json.loads(body)}]


async def test_stripes_endpoint_is_registered_once_and_its_secret_kept(
    bench: Any, hook: Hook
) -> None:
    async with webapi.running(webapi.Stripe()) as api:
        assert isinstance(api, webapi.Stripe)
        for _ in range(2):
            await hook.apply(
                "stripe",
                "https://pay.example",
                createWebhook=True,
                apiKey=ref("key"),
                stripeBaseURL=api.url,
                eventFilter=["charge.failed"],
            )
            await bench.bank.settled()
            body = b'{"id": "evt_1", "type": "charge.failed"}'
            assert (await hook.send(body, **stripe(body, b"whsec_told_once")))[0] == 200
            assert (await hook.send(body, **stripe(body)))[0] == 400
            await bench.bank.remove("default", "hooks")
        expected = {"url": "https://pay.example/hook", "enabled_events[0]": "charge.failed"}
        assert api.endpoints == [expected]


def grid(key: str, event: str = "ObjectCreated:Put") -> bytes:
    record = {
        "eventName": event,
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": "landing"}, "object": {"key": key, "sequencer": "1"}},
    }
    message = json.dumps({"Records": [record]})
    return urlencode(
        {"Action": "Publish", "Message": message, "TopicArn": "urn:t", "Version": "1"}
    ).encode()


async def test_storage_grid_is_configured_asked_and_heard(hook: Hook) -> None:
    async with webapi.running(webapi.StorageGrid()) as api:
        assert isinstance(api, webapi.StorageGrid)
        await hook.apply(
            "storageGrid",
            topicArn="urn:t",
            bucket="landing",
            events=["s3:ObjectCreated:*"],
            filter={"prefix": "in/", "suffix": ".<csv>"},
            authToken=ref("grid"),
            apiURL=f"{api.url}/api/v3",
        )
        (path, xml) = next(iter(api.configured.items()))
    assert path == "/api/v3/org/containers/landing/notification"
    assert "<Topic>urn:t</Topic><Event>s3:ObjectCreated:*</Event>" in xml
    assert "<Value>.&lt;csv&gt;</Value>" in xml
    assert await hook.send(b"", "HEAD") == (200, "")
    for _ in range(2):
        status, words = await hook.send(grid("in/a.<csv>"))
        assert status == 200
        assert "<MessageId>" in words
    assert (await hook.send(grid("in/a.<csv>", "ObjectRemoved:Delete")))[0] == 200
    assert (await hook.send(grid("other")))[0] == 200
    assert (await hook.send(b"nothing=1"))[0] == 400
    assert (await hook.send(urlencode({"Message": "{}"}).encode()))[0] == 400
    (payload,) = await hook.payloads()
    assert list(payload["notification"]) == ["Action", "Message", "TopicArn", "Version"]
    (record,) = payload["notification"]["Message"]["Records"]
    assert record["s3"]["object"]["key"] == "in/a.<csv>"


STANDARD_KEY = base64.b64encode(b"24 bytes of real secret.")


def standard(
    body: bytes, key: bytes = b"24 bytes of real secret.", shift_s: int = 0
) -> dict[str, str]:
    stamp = now(shift_s)
    made = hmac.new(key, f"msg_1.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook_id": "msg_1",
        "webhook_timestamp": stamp,
        "webhook_signature": f"v1a,xx v1,b2xk v1,{base64.b64encode(made).decode()}",
    }


async def test_standard_webhooks_are_verified(hook: Hook, bench: Any) -> None:
    bench.secrets.values["hook", "standard"] = b"whsec_" + STANDARD_KEY
    await hook.apply("signedWebhook", secret=ref("standard"), metadata={"team": "shop"})
    body = b'{"n": 1.50}'
    for _ in range(2):
        assert await hook.send(body, **standard(body)) == (200, "success")
    assert (await hook.send(body))[0] == 401
    assert (await hook.send(body + b" ", **standard(body)))[0] == 401
    assert (await hook.send(body, **standard(body, shift_s=400)))[0] == 401
    assert (await hook.send(body, **{**standard(body), "webhook_id": "other"}))[0] == 401
    assert (await hook.send(b"no json", **standard(b"no json")))[0] == 400
    (payload,) = await hook.payloads()
    assert list(payload) == ["header", "body", "metadata"]


def test_the_standards_own_example_is_understood() -> None:
    """The vector of the specification's reference libraries."""
    from events.sources.signed_webhook import _key

    key = _key(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    text = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    made = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    assert made == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_any_hmac_can_be_written_down(hook: Hook) -> None:
    scheme = {
        "header": "X-Signature",
        "algorithm": "sha512",
        "prefix": "sha512=",
        "signed": "{timestamp}:{id}:{body}",
        "timestampHeader": "X-Time",
        "idHeader": "X-Delivery",
    }
    await hook.apply("signedWebhook", secret=ref("secret"), previousSecret=ref("old"), hmac=scheme)
    stamp = now()
    text = f"{stamp}:d-1:".encode() + b"{}"
    for key, status in ((KEY, 200), (b"old", 200), (b"", 401)):
        signature = "sha512=" + hmac.new(key, text, hashlib.sha512).hexdigest()
        headers = {"x_time": stamp, "x_delivery": "d-1", "x_signature": signature}
        assert (await hook.send(b"{}", **headers))[0] == status
    assert len(await hook.payloads()) == 1


async def test_an_empty_secret_opens_nothing(hook: Hook, bench: Any) -> None:
    bench.secrets.values["hook", "empty"] = b""
    await hook.apply("signedWebhook", secret=ref("empty"), hmac={"header": "X-Signature"})
    assert (await hook.send(b"{}", x_signature=hexed(b"{}", b"")))[0] == 401
    await hook.apply("slack", token=ref("token"), signingSecret=ref("empty"))
    assert (await hook.send(b"{}", **slack(b"{}", key=b"")))[0] == 401


@pytest.mark.parametrize(
    ("kind", "config", "complaint"),
    [
        ("slack", {"token": ref("token")}, "signingSecret not provided"),
        ("slack", {"signingSecret": ref("secret")}, "token not provided"),
        ("stripe", {"createWebhook": True}, "apiKey is needed"),
        ("storageGrid", {"apiURL": "https://x"}, "apiURL needs authToken"),
        ("signedWebhook", {"secret": ref("secret"), "hmac": {"header": "X", "signed": "{id}"}}, "must hold {body}"),
        (
            "signedWebhook",
            {"secret": ref("secret"), "hmac": {"header": "X", "signed": "{timestamp}{body}"}},
            "write hmac.timestampHeader too",
        ),
        (
            "signedWebhook",
            {"secret": ref("secret"), "hmac": {"header": "X", "timestampHeader": "T"}},
            "not signed proves nothing",
        ),
    ],
)  # fmt: skip
async def test_a_config_that_cannot_work_is_refused(
    hook: Hook, bench: Any, kind: str, config: dict[str, Any], complaint: str
) -> None:
    await hook.apply(kind, **config)
    (status,) = bench.bank.status()
    assert status.state == "refused"
    assert complaint in status.error
