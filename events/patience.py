"""Publishing for sources whose sender cannot be told to come again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import ServiceError
from events.model import Event
from events.ports import NewEvent, Publish

log = structlog.get_logger(__name__)

T = TypeVar("T")
_NONE: Mapping[str, bytes | None] = MappingProxyType({})
_BACKOFF = Backoff(base_s=0.1, factor=2, cap_s=10)


async def until_durable(write: Callable[[], Awaitable[T]], messages: int, clock: Clock) -> T:
    """Write, again and again while the store is away; other errors pass. Says so once per outage."""
    attempt = 0
    while True:
        try:
            return await write()
        except ServiceError as error:
            attempt += 1
            if attempt == 1:
                log.warning("publish_waits_for_the_store", events=messages, error=str(error))
            await clock.sleep(_BACKOFF.delay(attempt))


async def publish_until_durable(
    publish: Publish,
    events: Sequence[NewEvent],
    clock: Clock,
    facts: Mapping[str, bytes | None] = _NONE,
) -> Sequence[Event]:
    """Publish, with what is to be noted in the same commit, again and again while the store is away."""

    def write() -> Awaitable[Sequence[Event]]:
        return publish(events, facts) if facts else publish(events)

    return await until_durable(write, len(events), clock)
