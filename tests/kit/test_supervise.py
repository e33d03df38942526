"""Long-lived tasks: a failure is raised, an early end is a fault, stopping is clean."""

import asyncio
import contextlib

import pytest

from bireme.kit import supervise
from bireme.kit.supervise import EndedEarly, TaskScope, run_together


async def forever() -> None:
    await asyncio.Event().wait()


async def test_stop_cancels_the_tasks_without_an_error() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    await run_together({"a": forever(), "b": forever()}, stop=stop)
    assert stop.is_set()


async def test_the_first_failure_ends_all_and_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run_together({"a": forever(), "b": fail()}, stop=asyncio.Event())


async def test_a_task_that_returns_before_stop_is_a_fault_with_its_name() -> None:
    async def brief() -> None:
        return

    with pytest.raises(EndedEarly, match="'short'"):
        await run_together({"long": forever(), "short": brief()}, stop=asyncio.Event())


async def test_a_closed_scope_has_no_running_tasks() -> None:
    scope = TaskScope("test")
    task = scope.start("wait", forever())
    await asyncio.sleep(0)
    await scope.close()
    assert task.cancelled()


async def test_a_task_that_lost_its_cancellation_is_told_again() -> None:
    told = 0

    async def deaf_once() -> None:
        nonlocal told
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                told += 1
                if told > 1:
                    raise

    task = asyncio.ensure_future(deaf_once())
    await asyncio.sleep(0)
    assert await supervise.end([task], 5) == set()
    assert told == 2
    assert task.cancelled()


async def test_a_task_that_never_ends_is_named() -> None:
    async def deaf() -> None:
        for _ in range(4):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    assert await supervise.end([task], 2) == {task}
    assert await supervise.end([task], 5) == set()
