"""The http trigger against a real server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bireme.kit import reach
from bireme.kit.clock import FixedClock
from bireme.kit.ids import CountedIds
from sensors.errors import BadSensor, TriggerFailed, TriggerRefused
from sensors.model import Firing, Origin
from sensors.surroundings import Surroundings
from sensors.triggers.http import HttpTrigger

ORIGIN = Origin("default", "s", "t", 0.0)


class Played:
    """The ports an http trigger does not need, and the one secret it does."""

    def secret(self, namespace: str, name: str, key: str) -> bytes:
        return b"Bearer s3cret\n"

    def config(self, namespace: str, name: str, key: str) -> str:
        return f"{name}.{key}"

    def submit(self, tx: Any, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        return {}

    def firings(self, *what: Any) -> list[str]:
        raise AssertionError("an http trigger makes no workflows")

    def live(self, *what: Any) -> set[str]:
        raise AssertionError("an http trigger makes no workflows")

    async def operate(self, *what: Any) -> dict[str, str]:
        return {}

    async def labels(self, namespace: str, name: str) -> dict[str, str]:
        return {}

    async def of_cron(self, namespace: str, name: str) -> dict[str, Any]:
        return {}


@pytest.fixture
async def trigger() -> AsyncIterator[HttpTrigger]:
    played = Played()
    made = HttpTrigger(
        Surroundings(clock=FixedClock(), ids=CountedIds(), workflows=played, secrets=played)
    )
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    seen: list[dict[str, Any]] = []

    async def hook(request: web.Request) -> web.Response:
        seen.append(
            {
                "method": request.method,
                "headers": dict(request.headers),
                "body": await request.text(),
            }
        )
        status = int(request.query.get("status", "200"))
        location = request.query.get("to")
        return web.Response(status=status, headers={"Location": location} if location else None)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hook)
    running = TestServer(app)
    running.seen = seen  # type: ignore[attr-defined]
    await running.start_server()
    yield running
    await running.close()


def firing(
    trigger: HttpTrigger, events: dict[str, Any], policy: Any = None, **block: Any
) -> Firing:
    definition = {"template": {"name": "t", "http": block}, "policy": policy}
    spec = trigger.prepare(definition, events, ORIGIN)
    return Firing(id="f1", namespace="default", sensor="s", trigger="t", kind="http", spec=spec)


async def test_a_request_carries_payload_secrets_and_the_firing_as_its_key(
    trigger: HttpTrigger, server: Any, make_event: Any
) -> None:
    secure = [
        {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "h", "key": "token"}}}
    ]
    payload = [
        {"src": {"dependencyName": "a", "dataKey": "body.n", "useRawData": True}, "dest": "n"}
    ]
    made = firing(
        trigger, {"a": make_event("e1")}, url=str(server.make_url("/hook")),
        payload=payload, secureHeaders=secure,
    )  # fmt: skip
    assert "s3cret" not in str(made)
    receipt = await trigger.fire(made)
    assert receipt.status == 200
    [request] = server.seen
    assert (request["method"], request["body"]) == ("POST", '{"n":1}')
    assert request["headers"]["Authorization"] == "Bearer s3cret"
    assert request["headers"]["Idempotency-Key"] == "f1"


async def test_every_status_is_a_success_unless_the_policy_lists_them(
    trigger: HttpTrigger, server: Any
) -> None:
    url = str(server.make_url("/hook?status=500"))
    assert (await trigger.fire(firing(trigger, {}, url=url))).status == 500
    with pytest.raises(TriggerFailed, match="http response status 500 is not allowed"):
        await trigger.fire(firing(trigger, {}, {"status": {"allow": [200]}}, url=url))


async def test_a_redirect_to_a_private_address_is_refused(
    trigger: HttpTrigger, server: Any
) -> None:
    url = str(server.make_url("/hook?status=302&to=http://127.0.0.1:1/inside"))
    with pytest.raises(TriggerRefused, match="private address"):
        await trigger.fire(firing(trigger, {}, url=url))


async def test_a_redirect_on_the_same_host_is_followed_without_the_body(
    trigger: HttpTrigger, server: Any
) -> None:
    url = str(server.make_url("/hook?status=302&to=/there"))
    assert (await trigger.fire(firing(trigger, {}, url=url))).status == 200
    assert [request["method"] for request in server.seen] == ["POST", "GET"]


async def test_a_server_that_is_not_there_is_worth_a_retry(trigger: HttpTrigger) -> None:
    with pytest.raises(TriggerFailed, match=r"POST http://127\.0\.0\.1:1/ failed"):
        await trigger.fire(firing(trigger, {}, url="http://127.0.0.1:1/"))


async def test_an_answer_without_end_is_not_read(trigger: HttpTrigger) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                written += 65536
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        receipt = await trigger.fire(firing(trigger, {}, url=f"http://127.0.0.1:{port}/"))
    assert receipt.status == 200
    assert written < 1 << 25


async def test_a_server_that_never_answers_is_given_up(trigger: HttpTrigger) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(TriggerFailed, match=r"no answer within 0\.05 s"):
            await trigger.fire(firing(trigger, {}, url=url, timeout=0.05))


async def test_where_the_engine_serves_others_private_targets_are_refused(server: Any) -> None:
    url = str(server.make_url("/hook")).replace("127.0.0.1", "localhost")
    trigger = guarded("public")
    with pytest.raises(TriggerRefused, match="private address"):
        await trigger.fire(firing(trigger, {}, url=url))
    with pytest.raises(TriggerRefused, match="private address"):
        await trigger.fire(firing(trigger, {}, url=str(server.make_url("/hook"))))
    assert server.seen == []
    await trigger.close()
    trigger = guarded("public,127.0.0.0/8,::1/128")
    assert (await trigger.fire(firing(trigger, {}, url=url))).status == 200
    await trigger.close()


def guarded(targets: str) -> HttpTrigger:
    played = Played()
    return HttpTrigger(
        Surroundings(FixedClock(), CountedIds(), played, played, reach.parse(targets))
    )


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer of the name server is public, every later one leads inside."""
    loop = asyncio.get_running_loop()
    port = server.port
    answers = iter(["93.184.216.34"])

    async def lookup(host: str, *args: Any, **more: Any) -> Any:
        address = next(answers, "127.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def unreachable(sock: socket.socket, address: Any) -> None:
        raise ConnectionRefusedError(f"{address[0]} does not answer in a test")

    monkeypatch.setattr(loop, "getaddrinfo", lookup)
    monkeypatch.setattr(loop, "sock_connect", unreachable)
    trigger = guarded("public")
    made = firing(trigger, {}, url=f"http://rebinding.example:{port}/hook")
    with pytest.raises(TriggerFailed, match=r"rebinding\.example"):
        await trigger.fire(made)
    trigger.web._client.connector.clear_dns_cache()  # type: ignore[union-attr]
    with pytest.raises(TriggerRefused, match=r"127\.0\.0\.1 is a private address"):
        await trigger.fire(made)
    await trigger.close()
    assert server.seen == []


def test_an_event_cannot_add_a_header(trigger: HttpTrigger, make_event: Any) -> None:
    dynamic = [
        {
            "src": {"dependencyName": "a", "dataTemplate": 'x{{ "\\r\\nX-Evil: 1" }}'},
            "dest": "X-Ref",
        }
    ]
    with pytest.raises(BadSensor, match="line break"):
        firing(trigger, {"a": make_event("e1")}, url="http://x", dynamicHeaders=dynamic)


def test_an_unknown_method_is_refused_before_anything_is_sent(trigger: HttpTrigger) -> None:
    with pytest.raises(BadSensor, match=r"http\.method is 'FETCH'"):
        firing(trigger, {}, url="http://x", method="FETCH")
