"""CVE-2026-40924: a resolver read an answer of any length into memory.

Here answers are capped wherever one is read, and not read where only the status counts.
"""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bireme.kit import outward
from bireme.kit.errors import BiremeError
from sensors.errors import TriggerRefused
from tests.security.test_cve_2022_25856_git_source import read
from tests.sensors.acting import Actor, payload, ref

MEGABYTE = 1 << 20


@pytest.fixture
async def flood() -> AsyncIterator[str]:
    """A server whose answers have no end."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"{" * 65536 + b"\r\n"
        try:
            for _ in range(4096):
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def test_a_manifest_without_end_is_refused(flood: str) -> None:
    before = peak_kib()
    with pytest.raises(BiremeError, match="longer than 524288 bytes"):
        await read({"url": {"path": flood}})
    assert peak_kib() - before < 50 * 1024


BLOCKS: dict[str, dict[str, Any]] = {
    "http": {"url": "{url}"},
    "cloudevents": {"url": "{url}"},
    "slack": {"endpoint": "{url}", "channel": "c", "message": "m", "slackToken": ref("token")},
    "openWhisk": {"host": "{url}", "actionName": "a", "payload": payload()},
}


@pytest.mark.parametrize("kind", BLOCKS)
async def test_a_trigger_reads_no_answer_without_end(
    flood: str, make_event: Any, kind: str
) -> None:
    block = {k: v.format(url=flood) if isinstance(v, str) else v for k, v in BLOCKS[kind].items()}
    before = peak_kib()
    async with Actor(kind, token="xoxb-token") as actor:
        with contextlib.suppress(outward.AnswerTooLarge, TriggerRefused):
            await actor.fire({"a": make_event("e1")}, **block)
    assert peak_kib() - before < 50 * 1024
