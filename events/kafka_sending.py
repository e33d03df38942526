"""A Kafka client that sends, made when it is needed and given up at its first fault. For the bus `kafka`.

The library tries again for as long as brokers are away: whoever published would wait for ever, and what it was told
has failed would be sent after all, later than what followed it. So there is a deadline, and a client that missed it
keeps nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)

ANSWER_S = 10.0
_HANG_UP_S = 5.0


class Sending:
    """`use` gives the client. Who uses it within `ANSWER_S` without a fault leaves it to the next."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._opening = asyncio.Lock()
        self._current: Any = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Any]:
        """Raises TimeoutError, and what the library raises."""
        try:
            async with asyncio.timeout(ANSWER_S):
                client = await self._open()
                yield client
        except Exception:
            await self.give_up()
            raise

    async def give_up(self) -> None:
        """Whoever waits for an answer of this client is told at once that there is none."""
        client, self._current = self._current, None
        if client is not None:
            await _hang_up(client)

    async def close(self) -> None:
        client, self._current = self._current, None
        if client is not None:
            try:
                await asyncio.wait_for(client.stop(), _HANG_UP_S)
            except TimeoutError:
                await _hang_up(client)

    async def _open(self) -> Any:
        async with self._opening:
            if self._current is None:
                client = self._make()
                try:
                    await client.start()
                except BaseException:
                    await _hang_up(client)
                    raise
                self._current = client
            return self._current


async def _hang_up(client: Any) -> None:
    """The library's own `stop` sends first what it still has, for as long as that takes."""
    from aiokafka.errors import KafkaConnectionError

    sending = client._sender.sender_task
    try:
        async with asyncio.timeout(_HANG_UP_S):
            if sending is not None:
                sending.cancel()
            await client.client.close()
            if sending is not None:
                await asyncio.gather(sending, return_exceptions=True)
            await client.client.close()  # what it opened meanwhile
    except TimeoutError:
        log.warning("kafka_client_stuck", waited_s=_HANG_UP_S)
    client._message_accumulator.fail_all(KafkaConnectionError("given up"))
    client._closed = True  # else it complains when it is collected
