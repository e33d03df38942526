"""The webhook source over real HTTP: token, payload, filter, durability."""

import json
from collections.abc import Callable
from typing import Any

import pytest

TOKEN = {"name": "hooks", "key": "token"}


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


def spec(port: int, **config: Any) -> dict[str, Any]:
    event = {"endpoint": "/push", "method": "POST", "port": str(port), **config}
    return {"webhook": {"push": event}}


async def post(bench: Any, port: int, body: bytes, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{port}/push"
    async with bench.client.post(url, data=body, headers=named) as response:
        return response.status, await response.text()


async def test_what_was_answered_200_is_in_the_log(bench: Any, port: int) -> None:
    await bench.apply(spec(port, metadata={"team": "shop"}))
    assert await post(bench, port, b'{"n": 1.50}', x_github_event="push") == (200, "success")
    (event,) = await bench.events()
    assert (event.source, event.subject, event.type, event.seq) == ("hooks", "push", "webhook", 1)
    assert len(event.id) == 32
    payload = json.loads(event.data)
    assert list(payload) == ["header", "body", "metadata"]
    assert payload["header"]["X-Github-Event"] == ["push"]
    assert "Host" not in payload["header"]
    assert payload["metadata"] == {"team": "shop"}
    assert b'"body":{"n":1.50}' in event.data


async def test_authorization_never_reaches_the_log(bench: Any, port: int) -> None:
    await bench.apply(spec(port))
    await post(bench, port, b"{}", authorization="Bearer s3cret-token")
    (event,) = await bench.events()
    assert b"s3cret-token" not in event.data
    assert json.loads(event.data)["header"]["Authorization"] == ["*** Masked Auth Secret ***"]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "bearer s3cret", "Basic s3cret", "Bearer s3cre", "Bearer s3crets", "Bearer \udcff"],
)  # fmt: skip
async def test_a_wrong_token_is_refused_and_nothing_is_kept(
    bench: Any, port: int, header: str
) -> None:
    bench.secrets.values["hooks", "token"] = b"s3cret\n"
    await bench.apply(spec(port, authSecret=TOKEN))
    status, _ = await post(bench, port, b"{}", authorization=header)
    assert status in (400, 401)
    assert await post(bench, port, b"{}", authorization="Bearer s3cret") == (200, "success")
    assert len(await bench.events()) == 1


async def test_an_empty_secret_opens_nothing(bench: Any, port: int) -> None:
    bench.secrets.values["hooks", "token"] = b"\n"
    await bench.apply(spec(port, authSecret=TOKEN))
    assert (await post(bench, port, b"{}", authorization="Bearer "))[0] == 401


async def test_a_changed_secret_holds_from_the_next_request_on(bench: Any, port: int) -> None:
    bench.secrets.values["hooks", "token"] = b"old"
    await bench.apply(spec(port, authSecret=TOKEN))
    bench.secrets.values["hooks", "token"] = b"new"
    assert (await post(bench, port, b"{}", authorization="Bearer old"))[0] == 401
    assert (await post(bench, port, b"{}", authorization="Bearer new"))[0] == 200


async def test_the_token_is_asked_for_before_the_body_is_judged(bench: Any, port: int) -> None:
    bench.secrets.values["hooks", "token"] = b"s3cret"
    await bench.apply(spec(port, authSecret=TOKEN, maxPayloadSize=10))
    assert (await post(bench, port, b"x" * 100))[0] == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'{"a":1} trailing'],
    ids=["empty", "cut", "NaN", "no UTF-8", "deep", "trailing"],
)
async def test_what_is_not_json_is_refused(bench: Any, port: int, body: bytes) -> None:
    await bench.apply(spec(port))
    status, words = await post(bench, port, body)
    assert status == 400
    assert "not valid JSON" in words


async def test_the_cap_of_the_manifest_holds(bench: Any, port: int) -> None:
    await bench.apply(spec(port, maxPayloadSize=20))
    assert (await post(bench, port, b'"' + b"x" * 18 + b'"'))[0] == 200
    assert (await post(bench, port, b'"' + b"x" * 19 + b'"'))[0] == 400


async def test_a_filtered_event_is_answered_but_not_kept_and_is_counted(
    bench: Any, port: int
) -> None:
    await bench.apply(spec(port, filter={"expression": 'body.action == "opened"'}))
    assert await post(bench, port, b'{"action": "closed"}') == (200, "success")
    assert await post(bench, port, b'{"action": "opened"}') == (200, "success")
    (status,) = bench.bank.status()
    assert (status.accepted, status.filtered, status.filter_errors) == (1, 1, 0)
    assert len(await bench.events()) == 1


async def test_a_failing_filter_is_told_apart_from_a_false_one(bench: Any, port: int) -> None:
    await bench.apply(spec(port, filter={"expression": "body.a.b.c == 1"}))
    assert await post(bench, port, b'{"a": null}') == (200, "success")
    (status,) = bench.bank.status()
    assert (status.accepted, status.filtered, status.filter_errors) == (0, 0, 1)


async def test_a_full_disk_is_answered_500_and_counted(bench: Any, port: int) -> None:
    await bench.apply(spec(port))
    (pages,) = (await bench.database.read("PRAGMA page_count"))[0]
    await bench.database.write(lambda tx: tx.query(f"PRAGMA max_page_count = {pages}"))
    body = b'"' + b"x" * 500_000 + b'"'
    assert await post(bench, port, body) == (500, "failed to record event")
    assert bench.bank.status()[0].failed == 1
    await bench.database.write(lambda tx: tx.query("PRAGMA max_page_count = 100000"))
    assert await post(bench, port, body) == (200, "success")


async def test_header_names_are_written_as_go_writes_them(bench: Any, port: int) -> None:
    await bench.apply(spec(port))
    await post(bench, port, b"{}", **{"x_CUSTOM_name": "v"})
    (event,) = await bench.events()
    assert json.loads(event.data)["header"]["X-Custom-Name"] == ["v"]
