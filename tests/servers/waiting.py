"""Waiting for what a real server does in its own time: the only place where tests look again and again."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(
    holds: Callable[[], Awaitable[bool] | bool], what: str = "", patience_s: float = 20
) -> None:
    """Returns once it holds. Raises AssertionError when it does not within the patience."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while asyncio.get_running_loop().time() < deadline:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {patience_s:g} seconds: {what or holds}")
