"""Wake-ups come once, in time, and only the last one asked for."""

import asyncio
from datetime import timedelta

import pytest

from bireme.kit.clock import LoopClock
from controller.timers import Timers

pytestmark = pytest.mark.looptime


async def test_a_later_wish_replaces_an_earlier_one() -> None:
    clock, rung = LoopClock(), []
    timers = Timers(clock, lambda key: rung.append((key, clock.monotonic())))
    began = clock.monotonic()
    timers.wake("a", clock.now() + timedelta(seconds=5))
    timers.wake("a", clock.now() + timedelta(seconds=200))
    timers.wake("b", clock.now() + timedelta(seconds=90))
    await asyncio.sleep(300)
    assert [(key, round(at - began)) for key, at in rung] == [("b", 90), ("a", 200)]
    timers.close()


async def test_a_forgotten_key_is_not_rung() -> None:
    clock, rung = LoopClock(), list[str]()
    timers = Timers(clock, rung.append)
    timers.wake("a", clock.now() + timedelta(seconds=5))
    timers.forget("a")
    await asyncio.sleep(10)
    assert rung == []


async def test_a_moment_in_the_past_rings_at_once() -> None:
    clock, rung = LoopClock(), list[str]()
    timers = Timers(clock, rung.append)
    timers.wake("a", clock.now() - timedelta(days=1))
    await asyncio.sleep(0.01)
    assert rung == ["a"]
