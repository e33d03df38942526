"""Hooks that a source registers with the service that calls it: made at start, looked after, taken away at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError
from bireme.kit.supervise import run_together
from events import fields
from events.ports import BadSourceConfig, Surroundings
from events.rest import ApiError

log = structlog.get_logger(__name__)

CHECK_S = 60.0
_BACKOFF = Backoff(base_s=5, factor=2, cap_s=300)
# The bank gives a source ten seconds to end.
_FAREWELL_S = 6.0


class Hooks(Protocol):
    """The hooks of one source at its service."""

    async def ensure(self) -> None:
        """Make them be there, as configured; what is right already is left alone."""
        ...

    async def remove(self) -> None:
        """Take away those that `ensure` made or found."""
        ...


async def beside(
    listening: Awaitable[None],
    hooks: Hooks,
    surroundings: Surroundings,
    *,
    remove_at_end: bool,
    interval_s: float = CHECK_S,
) -> None:
    """Listen, and look after the hooks, until cancelled."""
    looking = keep(
        hooks,
        surroundings.clock,
        subject=surroundings.place.subject,
        remove_at_end=remove_at_end,
        interval_s=interval_s,
    )
    await run_together({"http": listening, "hooks": looking}, stop=asyncio.Event())


async def keep(
    hooks: Hooks, clock: Clock, *, subject: str, remove_at_end: bool, interval_s: float
) -> None:
    """Look after the hooks until cancelled. A service that is away never stops the source from listening."""
    attempt = 0
    try:
        while True:
            try:
                await hooks.ensure()
                attempt = 0
            except BiremeError as error:
                attempt += 1
                log.warning("hook_not_registered", subject=subject, error=str(error))
            await clock.sleep(_BACKOFF.delay(attempt) if attempt else interval_s)
    finally:
        if remove_at_end:
            await _say_farewell(hooks, subject)


async def _say_farewell(hooks: Hooks, subject: str) -> None:
    try:
        async with asyncio.timeout(_FAREWELL_S):
            await hooks.remove()
    except (BiremeError, TimeoutError) as error:
        log.warning("hook_not_removed", subject=subject, error=str(error) or "no answer in time")


async def each(paths: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do it for every path. One that fails does not stop the others; at the end ApiError has what failed."""
    failures = []
    for path in paths:
        try:
            await work(path)
        except ApiError as error:
            failures.append(str(error))
    if failures:
        raise ApiError("; ".join(failures))


def address(webhook: fields.Webhook) -> str:
    """Where the service shall call. Raises BadSourceConfig when `url` is no address."""
    if not webhook.url.startswith(("http://", "https://")):
        raise BadSourceConfig(f"webhook.url: {webhook.url!r} is no http or https address")
    path = webhook.endpoint if webhook.endpoint.startswith("/") else f"/{webhook.endpoint}"
    return webhook.url.rstrip("/") + path
