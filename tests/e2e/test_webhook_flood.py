"""More senders than a port takes at once, slow ones among them: who is refused is told so, who is accepted is kept."""

import asyncio
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw
import pytest

from benchmarks.engine import Engine, free_port
from tests.e2e.fleet import SENSOR, SOURCE

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Of the thousand requests that a port has in hand at most.
SLOW, ENDLESS = 960, 30
SENDERS, EACH = 200, 5
HEAD = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.kill()


def hold(port: int, count: int, begun: bytes, stack: ExitStack) -> list[socket.socket]:
    """Requests that are begun and not ended."""
    held = [
        stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)
    ]
    for one in held:
        one.sendall(HEAD + begun)
    return held


async def send(port: int, n: int) -> tuple[int, bytes]:
    """One request on a connection of its own; status and head."""
    body = b'{"n":%d}' % n
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head
    finally:
        writer.close()


async def flood(port: int) -> tuple[set[int], list[bytes]]:
    """Everybody sends at once, again and again until it is accepted; the accepted, and the heads of the refusals."""
    accepted, refusals = set[int](), list[bytes]()

    async def sender(first: int) -> None:
        for n in range(first, first + EACH):
            while n not in accepted:
                status, head = await send(port, n)
                if status == 200:
                    accepted.add(n)
                else:
                    refusals.append(head)

    async with asyncio.timeout(60), asyncio.TaskGroup() as senders:
        for n in range(SENDERS):
            senders.create_task(sender(n * EACH))
    return accepted, refusals


def test_a_flood_with_slow_senders_in_it_is_refused_in_part_and_loses_nothing(
    engine: Engine,
) -> None:
    port = free_port()
    engine.write("load.yaml", SOURCE % port + SENSOR % {"n": 0})
    with open_files(1024):
        engine.start()
    with ExitStack() as stack:
        stack.enter_context(open_files(4096))
        hold(port, SLOW, b"Content-Length: 100\r\n\r\n{", stack)
        hold(port, ENDLESS, b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n", stack)
        accepted, refusals = asyncio.run(flood(port))
    assert accepted == set(range(SENDERS * EACH))
    assert refusals, "there was room for everybody: nothing was shown"
    for head in refusals:
        assert head.startswith(b"HTTP/1.1 429")
        assert b"Retry-After: 1" in head
    kept = [json.loads(row)["body"]["n"] for row in rows(engine, "SELECT data FROM events")]
    assert sorted(kept) == sorted(accepted)
    engine.until(lambda: len(rows(engine, "SELECT seq FROM decisions")) == len(accepted))
    assert len(set(rows(engine, "SELECT seq FROM decisions"))) == len(accepted)
    assert engine.stop() == 0


def test_slow_senders_leave_the_engine_files_to_work_with(engine: Engine) -> None:
    port = free_port()
    engine.write("load.yaml", SOURCE % port + SENSOR % {"n": 0})
    with open_files(1024):
        engine.start()
    with open_files(4096), ExitStack() as stack:
        hold(port, 1100, b"Content-Length: 100\r\n\r\n{", stack)
        assert engine.process is not None
        pid = engine.process.pid
        engine.until(lambda: len(os.listdir(f"/proc/{pid}/fd")) > 1000)
        most, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert most - len(os.listdir(f"/proc/{pid}/fd")) > 100
        assert engine.workflows() == []
    assert engine.stop() == 0


@contextmanager
def open_files(most: int) -> Iterator[None]:
    """So many files may be open here, and in what is started here: 1024 is what a shell grants usually."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rows(engine: Engine, sql: str) -> list[bytes]:
    connection = apsw.Connection(
        str(next(engine.data.glob("*.db"))), flags=apsw.SQLITE_OPEN_READONLY
    )
    try:
        return [row[0] for row in connection.execute(sql)]
    finally:
        connection.close()
