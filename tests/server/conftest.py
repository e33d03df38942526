"""A real engine in the test's own process, on a database of its own, answering on a port of its own."""

import asyncio
import json
import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bireme.kit import logs
from bireme.kit.supervise import run_together
from server import wiring
from server.deck import Deck
from server.settings import Settings

TOKEN = "a token for tests"


class Answer(NamedTuple):
    """Status, headers and decoded body of one call."""

    status: int
    headers: dict[str, str]
    body: Any


class Running:
    """The engine and how to ask it."""

    def __init__(self, deck: Deck, address: str) -> None:
        self.deck, self.address = deck, address

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = TOKEN,
        raw: bytes | None = None,
    ) -> Answer:
        """One call over HTTP, from another thread as any client would make it."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        return await asyncio.to_thread(_call, self.address + path, method, data, token)

    async def get(self, path: str) -> Any:
        """The body of a successful GET."""
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    async def ended(self, name: str) -> Any:
        """The workflow once it has ended."""
        return await asyncio.wait_for(self.deck.controller.wait("default", name), 30)


def _call(url: str, method: str, data: bytes | None, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status, got, text = answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        status, got, text = error.code, dict(error.headers), error.read()
    try:
        return Answer(status, got, json.loads(text) if text else None)
    except ValueError:
        return Answer(status, got, text.decode())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        state_dir=tmp_path / "state",
        port=0,
        drain_s=2,
        environment={"PATH": os.environ["PATH"]},
    )


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[Running]:
    """Everything that `bireme up` starts, but for signals and the watched directory."""
    logs.configure(level="error")
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        deck = await wiring.build(settings, stack)
        address = await wiring.listen(deck, TOKEN, stack)
        await wiring.start(deck, None)
        deck.is_ready = True
        loops = asyncio.ensure_future(run_together(wiring.loops(deck, None), stop=stop))
        yield Running(deck, address)
        stop.set()
        await loops
