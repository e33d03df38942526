"""A request of a trigger cannot be led inside: not by a redirect, not by a name server that changes its mind.

Each redirect comes from a server whose own address is allowed, as a person's webhook would be; what counts is that
nothing is ever asked of the server it points to.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bireme.kit import reach
from bireme.kit.reach import ReachRefused
from sensors.errors import TriggerFailed, TriggerRefused
from sensors.model import Receipt
from tests.sensors.acting import Actor, ref


class Plain:
    """A server of raw answers, which counts who connects."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.asked: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    def says(self, status: str, body: str = "", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.answer = "\r\n".join([*lines, "", body]).encode()


@pytest.fixture
async def outside() -> AsyncIterator[Plain]:
    async for server in serving():
        yield server


@pytest.fixture
async def inside() -> AsyncIterator[Plain]:
    async for server in serving():
        yield server


async def serving() -> AsyncIterator[Plain]:
    plain = Plain()
    async with await asyncio.start_server(plain.serve, "127.0.0.1", 0) as server:
        plain.port = server.sockets[0].getsockname()[1]
        yield plain


async def fire(url: str, targets: str = "any", policy: Any = None, **block: Any) -> Receipt:
    async with Actor("http", reach.parse(targets), token="Bearer s3cret") as actor:
        return await actor.fire({}, policy, url=url, **block)


NAMES = [
    "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("targets", ["any", "public,127.0.0.0/8"])
async def test_a_redirect_leads_to_nothing_inside_however_it_is_written(
    outside: Plain, inside: Plain, name: str, targets: str
) -> None:
    outside.says("307 Temporary Redirect", Location=f"http://{name}:{inside.port}/admin")
    with pytest.raises(TriggerRefused, match="is a private address"):
        await fire(f"http://127.0.0.1:{outside.port}/hook", targets)
    assert inside.asked == []


@pytest.mark.parametrize("name", ["2130706433", "127.1"])
async def test_a_number_that_is_no_address_as_people_write_them_is_not_followed(
    outside: Plain, inside: Plain, name: str
) -> None:
    outside.says("307 Temporary Redirect", Location=f"http://{name}:{inside.port}/admin")
    with pytest.raises(TriggerFailed, match="not a canonical IPv4 address"):
        await fire(f"http://127.0.0.1:{outside.port}/hook")
    assert inside.asked == []


METADATA = "169.254.169.254"


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
async def test_no_kind_of_redirect_reaches_the_metadata_of_a_cloud(
    outside: Plain, status: str
) -> None:
    outside.says(status, Location=f"http://{METADATA}/latest/meta-data/")
    with pytest.raises(TriggerRefused, match=rf"{METADATA} is a private address"):
        await fire(f"http://127.0.0.1:{outside.port}/hook")


@pytest.mark.parametrize("scheme", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://x/y"])
async def test_a_redirect_leads_to_http_only(outside: Plain, scheme: str) -> None:
    outside.says("302 F", Location=scheme)
    with pytest.raises(TriggerRefused, match="not an http address"):
        await fire(f"http://127.0.0.1:{outside.port}/hook")


async def test_a_redirect_takes_no_secret_to_another_port(outside: Plain, inside: Plain) -> None:
    """Another port of the same machine is another place: the redirect is refused before anything is sent there."""
    secure = [{"name": "Authorization", "valueFrom": {"secretKeyRef": ref("token")}}]
    outside.says("307 T", Location=f"http://127.0.0.1:{inside.port}/")
    with pytest.raises(TriggerRefused, match="private address"):
        await fire(f"http://127.0.0.1:{outside.port}/", secureHeaders=secure)
    assert b"s3cret" in outside.asked[0]
    assert inside.asked == []


async def test_a_redirect_without_end_ends(outside: Plain) -> None:
    outside.says("302 F", Location="/again")
    with pytest.raises(TriggerRefused, match="stopped after 10 redirects"):
        await fire(f"http://127.0.0.1:{outside.port}/hook")
    assert len(outside.asked) == 11


class NameServer:
    """Each look-up of any name gets the next answer; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.connected: list[str] = []

    async def lookup(self, host: str, port: Any, **more: Any) -> Any:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port or 80)) for one in found]

    async def connect(self, sock: socket.socket, address: Any) -> None:
        self.connected.append(address[0])
        raise ConnectionRefusedError("nobody is there in a test")

    def rule(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self.lookup)
        monkeypatch.setattr(loop, "sock_connect", self.connect)


PUBLIC, PRIVATE = "93.184.216.34", "10.0.0.7"


async def test_what_is_connected_to_is_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second look-up would lead inside: there is none between the check and the connection."""
    names = NameServer([PUBLIC], [PRIVATE])
    names.rule(monkeypatch)
    with pytest.raises(TriggerFailed):
        await fire("http://rebinding.example/", "public")
    assert names.connected == [PUBLIC]


async def test_a_name_that_leads_inside_at_a_later_look_is_refused_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = NameServer([PUBLIC], [PRIVATE])
    names.rule(monkeypatch)
    with pytest.raises(TriggerFailed):
        await fire("http://rebinding.example/", "public")
    with pytest.raises(TriggerRefused, match=r"10\.0\.0\.7 is a private address"):
        await fire("http://rebinding.example/", "public")
    assert names.connected == [PUBLIC]


@pytest.mark.parametrize("answer", [[PRIVATE, PUBLIC], [PUBLIC, PRIVATE]])
async def test_a_private_address_among_public_ones_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, answer: list[str]
) -> None:
    names = NameServer(answer)
    names.rule(monkeypatch)
    with pytest.raises((TriggerRefused, TriggerFailed)):
        await fire("http://both.example/", "public")
    assert PRIVATE not in names.connected


async def test_a_redirect_to_a_name_that_leads_inside_is_refused(
    outside: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.says("302 F", Location="http://inner.example/")
    real = asyncio.get_running_loop().getaddrinfo
    names = NameServer([PRIVATE])

    async def lookup(host: str, port: Any, **more: Any) -> Any:
        if host == "inner.example":
            return await names.lookup(host, port)
        return await real(host, port, **more)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    with pytest.raises(TriggerRefused, match=r"inner\.example.*10\.0\.0\.7 is a private address"):
        await fire(f"http://127.0.0.1:{outside.port}/hook")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", METADATA, "172.16.0.1", "192.168.0.1",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::10.0.0.1", "::127.0.0.1",
    ],
)  # fmt: skip
def test_no_form_of_a_private_address_is_in_public_reach(address: str) -> None:
    with pytest.raises(ReachRefused, match="private address"):
        reach.PUBLIC.check(address)


BODIES = [
    '{"ok":false,"error":"no such project"}', "<html>500 Internal Server Error</html>", "null", "",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
async def test_a_target_that_says_ok_and_means_an_error_is_believed(
    outside: Plain, body: str
) -> None:
    """As Argo: the status alone decides, the body is not even read."""
    outside.says("200 OK", body)
    policy = {"status": {"allow": [200]}}
    receipt = await fire(f"http://127.0.0.1:{outside.port}/hook", policy=policy)
    assert receipt == Receipt(kind="http", status=200)


async def test_a_target_that_closes_in_the_middle_of_its_status_is_not_believed(
    outside: Plain,
) -> None:
    outside.answer = b"HTTP/1.1 20"
    with pytest.raises(TriggerFailed):
        await fire(f"http://127.0.0.1:{outside.port}/hook")


async def test_the_kinds_whose_errors_come_with_200_do_read_them(outside: Plain) -> None:
    outside.says("200 OK", '{"ok":false,"error":"channel_not_found"}')
    async with Actor("slack", token="xoxb-token") as actor:
        with pytest.raises(TriggerRefused, match="channel_not_found"):
            await actor.fire(
                {}, endpoint=f"http://127.0.0.1:{outside.port}", channel="c", message="m",
                slackToken=ref("token"),
            )  # fmt: skip
