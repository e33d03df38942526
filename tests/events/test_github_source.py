"""GitHub deliveries: the signature over the raw bytes first, then parsing, each delivery once."""

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

KEY = b"It's a Secret to Everybody"
BODY = b'{"zen": "Keep it simple.", "big": 9007199254740993}'


@pytest.fixture
async def hook(bench: Any, free_port: Callable[[], int]) -> Any:
    """Post to a listening source that has a secret."""
    port = free_port()
    bench.secrets.values["github", "secret"] = KEY
    config = {
        "repositories": [{"owner": "acme", "names": ["shop"]}],
        "webhook": {
            "endpoint": "/hook",
            "method": "POST",
            "port": str(port),
            "maxPayloadSize": 500,
        },
        "events": ["push"],
        "webhookSecret": {"name": "github", "key": "secret"},
    }
    await bench.apply({"github": {"ci": config}})

    async def post(body: bytes = BODY, **headers: str) -> tuple[int, str]:
        named = {"X-GitHub-Event": "push"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{port}/hook"
        async with bench.client.post(url, data=body, headers=named) as response:
            return response.status, await response.text()

    return post


def signature(body: bytes, key: bytes = KEY) -> str:
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def test_signatures_are_githubs_own() -> None:
    """The example of GitHub's documentation."""
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature(b"Hello, World!") == expected


async def test_a_signed_delivery_becomes_an_event(bench: Any, hook: Any) -> None:
    signed = {"X_Hub_Signature_256": signature(BODY), "X_GitHub_Delivery": "d-1"}
    assert await hook(**signed) == (200, "success")
    (event,) = await bench.events()
    payload = json.loads(event.data)
    assert list(payload) == ["headers", "body"]
    assert payload["body"]["X-GitHub-Event"] == "push"
    assert payload["body"]["X-GitHub-Delivery"] == "d-1"
    assert payload["body"]["big"] == 9007199254740993
    assert payload["headers"]["X-Github-Event"] == ["push"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"X_Hub_Signature_256": ""},
        {"X_Hub_Signature_256": "sha256="},
        {"X_Hub_Signature_256": signature(BODY)[7:]},
        {"X_Hub_Signature_256": signature(BODY).upper()},
        {"X_Hub_Signature_256": signature(BODY, b"other key")},
        {"X_Hub_Signature_256": signature(BODY, b"")},
        {"X_Hub_Signature_256": signature(BODY + b" ")},
        {"X_Hub_Signature_256": "sha1=" + "0" * 40},
        {"X_Hub_Signature": "sha1=" + "0" * 40},
    ],
)
async def test_a_wrong_signature_is_refused(bench: Any, hook: Any, given: dict[str, str]) -> None:
    assert (await hook(**given))[0] == 400
    assert (await hook(X_Hub_Signature_256=signature(BODY)))[0] == 200
    assert len(await bench.events()) == 1


async def test_a_refused_delivery_is_counted_with_its_reason(bench: Any, hook: Any) -> None:
    for _ in range(2):
        await hook()
    (status,) = bench.bank.status()
    assert (status.refused, status.accepted) == (2, 0)
    assert status.last_refusal == "400 request signature is missing or wrong"


async def test_the_older_signature_is_taken_only_where_the_newer_is_missing(hook: Any) -> None:
    older = "sha1=" + hmac.new(KEY, BODY, hashlib.sha1).hexdigest()
    assert (await hook(X_Hub_Signature=older))[0] == 200
    both = {"X_Hub_Signature": older, "X_Hub_Signature_256": "sha256=" + "0" * 64}
    assert (await hook(**both))[0] == 400


async def test_the_signature_is_over_the_bytes_as_sent(hook: Any) -> None:
    reformatted = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
    assert (await hook(reformatted, X_Hub_Signature_256=signature(BODY)))[0] == 400
    assert (await hook(reformatted, X_Hub_Signature_256=signature(reformatted)))[0] == 200


async def test_an_unsigned_body_is_never_parsed(hook: Any) -> None:
    status, words = await hook(b"{not json")
    assert (status, "signature" in words) == (400, True)
    status, words = await hook(b"{not json", X_Hub_Signature_256=signature(b"{not json"))
    assert (status, "not valid JSON" in words) == (400, True)


async def test_a_body_over_the_cap_is_refused_before_its_signature(hook: Any) -> None:
    body = b'{"x": "' + b"x" * 500 + b'"}'
    status, words = await hook(body, X_Hub_Signature_256=signature(body))
    assert (status, "larger than 500 bytes" in words) == (400, True)


async def test_a_replayed_delivery_is_answered_and_is_no_second_event(
    bench: Any, hook: Any
) -> None:
    signed = {"X_Hub_Signature_256": signature(BODY), "X_GitHub_Delivery": "d-1"}
    for _ in range(3):
        assert await hook(**signed) == (200, "success")
    assert await hook(**{**signed, "X_GitHub_Delivery": "d-2"}) == (200, "success")
    assert len(await bench.events()) == 2
    (status,) = bench.bank.status()
    assert (status.accepted, status.duplicates) == (2, 2)


async def test_a_form_delivery_is_understood(bench: Any, hook: Any) -> None:
    body = urlencode({"payload": '{"ref": "main"}'}).encode()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert (await hook(body, X_Hub_Signature_256=signature(body), **form))[0] == 200
    (event,) = await bench.events()
    assert json.loads(event.data)["body"]["ref"] == "main"


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"null", b"12"])
async def test_a_body_that_is_no_object_is_refused(hook: Any, body: bytes) -> None:
    status, words = await hook(body, X_Hub_Signature_256=signature(body))
    assert (status, "not a JSON object" in words) == (400, True)


async def test_an_empty_object_is_an_object(bench: Any, hook: Any) -> None:
    body = b" {} "
    assert (await hook(body, X_Hub_Signature_256=signature(body), X_GitHub_Delivery="d"))[0] == 200
    (event,) = await bench.events()
    assert json.loads(event.data)["body"] == {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d"}


async def test_a_missing_secret_opens_nothing(bench: Any, hook: Any) -> None:
    del bench.secrets.values["github", "secret"]
    assert (await hook(X_Hub_Signature_256=signature(BODY, b"")))[0] == 500
    bench.secrets.values["github", "secret"] = b""
    assert (await hook(X_Hub_Signature_256=signature(BODY, b"")))[0] == 400
