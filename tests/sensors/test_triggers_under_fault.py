"""Exact counts: targets that fail, lose their answer or are slow, and a process that dies at any moment.

The target counts by the idempotency key. Each event set is acted on under one key, whatever happens, and at least once.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sensors import store

EVENTS = 12


class Target:
    """Counts what it is asked by key; `mood` says what becomes of a request: done, failed, lost (done, no answer)."""

    def __init__(self, seed: int, moods: tuple[str, ...]) -> None:
        self.chance, self.moods = random.Random(seed), moods
        self.done: Counter[str] = Counter()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        mood = self.chance.choice(self.moods)
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        if mood == "failed":
            return web.Response(status=500)
        self.done[request.headers["Idempotency-Key"]] += 1
        if mood == "lost":
            assert request.transport is not None
            request.transport.abort()
        return web.Response()


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    servers: list[TestServer] = []

    async def made(seed: int, *moods: str) -> Target:
        target = Target(seed, moods)
        app = web.Application()
        app.router.add_post("/", target.take)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        target.url = str(servers[-1].make_url("/"))
        return target

    yield made
    for server in servers:
        await server.close()


def rule(url: str, **more: Any) -> dict[str, Any]:
    payload = [{"src": {"dependencyName": "a", "dataKey": "body.n"}, "dest": "n"}]
    return {
        "template": {"name": "t", "http": {"url": url, "payload": payload}},
        "policy": {"status": {"allow": [200]}},
        "retryStrategy": {"steps": 40, "duration": "1s"},
        **more,
    }


async def work(deck: Any, turns: int = 1_000_000) -> None:
    """The bank at work for so many turns of the loop, or until nothing is pending; then it dies on the spot."""
    task = asyncio.get_running_loop().create_task(deck.bank.run())
    async with asyncio.timeout(30):
        while turns > 0 and await store.firings(deck.database, status="pending"):
            following = await store.next_due(deck.database, deck.clock.now().timestamp())
            if following is not None and not deck.bank.outbox.is_busy:
                deck.clock.advance(following - deck.clock.now().timestamp() + 0.001)
                deck.bank.outbox.wake()
            await asyncio.sleep(0)
            turns -= 1
    task.cancel()
    await asyncio.wait([task])
    await deck.bank.close()


async def ids(deck: Any, name: str = "t") -> list[str]:
    rows = await deck.rows("SELECT id FROM firings WHERE trigger_name = ? ORDER BY id", name)
    return [row[0] for row in rows]


@pytest.mark.parametrize("seed", range(6))
async def test_each_event_is_acted_on_under_one_key_whatever_the_target_and_the_process_do(
    open_deck: Any, make_sensor: Any, make_event: Any, serve: Any, seed: int
) -> None:
    target = await serve(seed, "done", "failed", "lost")
    chance = random.Random(seed)
    now = None
    for life in range(6):
        async with open_deck() as deck:
            if now is not None:
                deck.clock.at = now
            deck.bank.add(make_sensor(rule(target.url)))
            await deck.bank.catch_up()
            if life == 0:
                await deck.publish(*[make_event(f"e{n}") for n in range(EVENTS)])
            await work(deck, chance.randrange(1, 60) if life < 5 else 1_000_000)
            now = deck.clock.now()
            if life == 5:
                assert {row[1] for row in await deck.firings()} == {"fired"}
                assert sorted(target.done) == await ids(deck)
    assert len(target.done) == EVENTS


async def test_without_faults_each_is_acted_on_exactly_once(
    deck: Any, make_sensor: Any, make_event: Any, serve: Any
) -> None:
    target = await serve(1, "done")
    deck.bank.add(make_sensor(rule(target.url)))
    for _ in range(2):
        await deck.publish(*[make_event(f"e{n}") for n in range(EVENTS)])
    await work(deck)
    assert sorted(target.done.values()) == [1] * EVENTS


async def test_the_dead_letter_trigger_acts_once_with_its_own_template(
    deck: Any, make_sensor: Any, make_event: Any, serve: Any
) -> None:
    broken, last = await serve(1, "failed"), await serve(2, "done")
    resort = rule(last.url)
    resort["template"]["name"] = "last-resort"
    dying = rule(broken.url, dlqTrigger=resort, retryStrategy={"steps": 3, "duration": "1s"})
    deck.bank.add(make_sensor(dying))
    await deck.publish(*[make_event(f"e{n}") for n in range(3)])
    await work(deck)
    assert broken.done == Counter()
    assert sorted(last.done) == await ids(deck, "last-resort")
    assert list(last.done.values()) == [1, 1, 1]
    assert [row[2] for row in await deck.firings() if row[0] == "t"] == [3, 3, 3]


async def test_a_rate_limit_spaces_firings_and_drops_none(
    deck: Any, make_sensor: Any, make_event: Any, serve: Any
) -> None:
    target = await serve(1, "done")
    limit = {"unit": "Minute", "requestsPerUnit": 2}
    deck.bank.add(make_sensor(rule(target.url, rateLimit=limit)))
    began = deck.clock.now()
    await deck.publish(*[make_event(f"e{n}") for n in range(5)])
    await work(deck)
    assert sorted(target.done.values()) == [1] * 5
    assert 120 <= (deck.clock.now() - began).total_seconds() < 121
