"""Listeners under clients that misbehave, and their sharing of ports."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from events.http import Limits, Listeners, PortUnavailable, Refused, Tls, read_body, text
from events.ports import BadSourceConfig

CAP = 1000


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    body = await read_body(request, cap_bytes=CAP, patience_s=0.2)
    return text(200, f"{len(body)}")


@pytest.fixture
async def listeners() -> AsyncIterator[Listeners]:
    opened = Listeners("127.0.0.1")
    yield opened
    await opened.close()


@pytest.fixture
async def port(listeners: Listeners, free_port: Callable[[], int]) -> int:
    number = free_port()
    await listeners.route(port=number, path="/echo", handler=echo, owner="the first")
    return number


async def talk(port: int, *parts: bytes) -> bytes:
    """Send raw bytes and read until the server closes, or says nothing more for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(2):
            answer = await reader.readuntil(b"\r\n\r\n")
            answer += await reader.read(1000)
    finally:
        writer.close()
    return answer


async def get(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


async def test_a_body_of_exactly_the_cap_is_read(port: int) -> None:
    answer = await talk(port, HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"1000")


async def test_an_announced_length_over_the_cap_is_refused_before_the_body_comes(
    port: int,
) -> None:
    answer = await talk(port, HEAD + b"Content-Length: 1001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"larger than 1000 bytes" in answer


async def test_a_chunked_body_without_end_is_cut_at_the_cap(port: int) -> None:
    chunk = b"190\r\n" + b"x" * 400 + b"\r\n"
    answer = await talk(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 20)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Connection: close" in answer


async def test_a_body_that_stops_coming_times_out(port: int) -> None:
    answer = await talk(port, HEAD + b"Content-Length: 10\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_chunked_body_that_stops_coming_times_out(port: int) -> None:
    answer = await talk(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_body_in_many_pieces_is_whole(port: int) -> None:
    answer = await talk(port, HEAD + b"Content-Length: 6\r\n\r\n", b"ab", b"cd", b"ef")
    assert answer.endswith(b"6")


async def test_a_packed_body_is_not_unpacked(listeners: Listeners, port: int) -> None:
    """A signature is made over what was sent, and a small packed body can unpack to a huge one."""
    seen: list[bytes] = []

    async def keep(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(await read_body(request, cap_bytes=CAP, patience_s=1))
        return text(200, "ok")

    await listeners.route(port=port, path="/keep", handler=keep, owner="keeper")
    head = b"POST /keep HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"
    await talk(port, head + b"\x1f\x8bxyz")
    assert seen == [b"\x1f\x8bxyz"]


async def test_nonsense_is_a_bad_request(port: int) -> None:
    assert (await talk(port, b"\x16\x03\x01 what\r\n\r\n")).startswith(b"HTTP/1.0 400")
    assert await get(port, "/health") == (200, "OK")


async def test_a_client_that_goes_away_harms_nobody(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"Content-Length: 10\r\n\r\nabc")
    await writer.drain()
    writer.transport.abort()
    assert await get(port, "/health") == (200, "OK")


async def test_a_handler_that_breaks_is_answered_500_and_serving_goes_on(
    listeners: Listeners, port: int
) -> None:
    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        raise LookupError("secret detail")

    await listeners.route(port=port, path="/broken", handler=broken, owner="broken")
    assert await get(port, "/broken") == (500, "internal error")
    assert await get(port, "/health") == (200, "OK")


async def test_a_refusal_carries_its_status_and_words(listeners: Listeners, port: int) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        raise Refused(418, "no")

    await listeners.route(port=port, path="/no", handler=refuse, owner="no")
    assert await get(port, "/no") == (418, "no")


async def test_paths_are_found_without_their_query(port: int) -> None:
    assert await get(port, "/echo?a=b") == (200, "0")


async def test_two_routes_share_a_port_until_both_are_gone(listeners: Listeners, port: int) -> None:
    remove = await listeners.route(port=port, path="/second", handler=echo, owner="second")
    assert await get(port, "/second") == (200, "0")
    await remove()
    assert await get(port, "/second") == (400, "endpoint is inactive")
    assert await get(port, "/echo") == (200, "0")


async def test_the_last_route_takes_the_listener_along(
    listeners: Listeners, free_port: Callable[[], int]
) -> None:
    number = free_port()
    remove = await listeners.route(port=number, path="/a", handler=echo, owner="a")
    await remove()
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection("127.0.0.1", number)


async def test_a_path_taken_is_refused_naming_who_has_it(listeners: Listeners, port: int) -> None:
    with pytest.raises(BadSourceConfig, match="endpoint /echo is taken by the first"):
        await listeners.route(port=port, path="/echo", handler=echo, owner="the second")


async def test_a_port_taken_by_another_program_can_be_tried_again(listeners: Listeners) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        with pytest.raises(PortUnavailable, match="cannot listen on"):
            await listeners.route(port=number, path="/a", handler=echo, owner="a")
    await listeners.route(port=number, path="/a", handler=echo, owner="a")
    assert await get(number, "/a") == (200, "0")


def certificate(folder: Path) -> Tls:
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("making a certificate needs openssl")
    return Tls((folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes())


async def test_a_port_with_a_certificate_speaks_tls(
    listeners: Listeners, free_port: Callable[[], int], tmp_path: Path
) -> None:
    tls = certificate(tmp_path)
    number = free_port()
    await listeners.route(port=number, path="/a", handler=echo, owner="a", tls=tls)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"https://127.0.0.1:{number}/a", ssl=trusting) as response,
    ):
        assert response.status == 200
    with pytest.raises(BadSourceConfig, match="other TLS settings"):
        await listeners.route(port=number, path="/b", handler=echo, owner="b")


async def test_a_certificate_that_is_none_is_said(
    listeners: Listeners, free_port: Callable[[], int]
) -> None:
    number = free_port()
    bad: Any = Tls(b"no", b"certificate")
    with pytest.raises(BadSourceConfig, match="not a certificate and its key"):
        await listeners.route(port=number, path="/a", handler=echo, owner="a", tls=bad)


class Slow:
    """A handler that ends when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.recorded = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        await read_body(request, cap_bytes=CAP, patience_s=5)
        await self.go.wait()
        self.recorded += 1
        return text(200, "success")


async def test_a_flood_is_told_to_come_again_and_nothing_accepted_is_lost(
    free_port: Callable[[], int],
) -> None:
    slow, port = Slow(), free_port()
    listeners = Listeners("127.0.0.1", Limits(requests=20))
    await listeners.route(port=port, path="/", handler=slow, owner="slow")
    url = f"http://127.0.0.1:{port}/"
    seen: list[int] = []

    async def post(client: aiohttp.ClientSession) -> None:
        async with client.post(url, data=b"{}") as answer:
            seen.append(answer.status)
            assert (answer.headers.get("Retry-After") == "1") is (answer.status == 429)
        if seen.count(429) == 80:
            slow.go.set()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as client, asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(post(client))
    assert (seen.count(200), seen.count(429)) == (20, 80)
    assert slow.recorded == 20
    assert await get(port, "/health") == (200, "OK")
    async with aiohttp.ClientSession() as client:
        await post(client)
    assert seen[-1] == 200
    await listeners.close()


async def test_bodies_that_are_too_much_together_are_told_to_come_again(
    free_port: Callable[[], int],
) -> None:
    port = free_port()
    listeners = Listeners("127.0.0.1", Limits(bytes=1500))
    await listeners.route(port=port, path="/echo", handler=echo, owner="the first")
    assert (await talk(port, HEAD + b"Content-Length: 3\r\n\r\nabc")).startswith(b"HTTP/1.1 200")
    unannounced = await talk(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    assert unannounced.startswith(b"HTTP/1.1 429")
    await listeners.close()


@pytest.mark.parametrize(
    "said", [b"", b"POST /echo HT", b"POST /echo HTTP/1.1\r\nHost: x\r\nX-A: "]
)
async def test_a_connection_that_never_finishes_its_head_is_closed(
    free_port: Callable[[], int], said: bytes
) -> None:
    port = free_port()
    listeners = Listeners("127.0.0.1", head_s=0.3)
    await listeners.route(port=port, path="/echo", handler=echo, owner="the first")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await listeners.close()
