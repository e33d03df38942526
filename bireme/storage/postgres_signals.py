"""LISTEN and NOTIFY: how the processes on one PostgreSQL database wake each other."""

import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import structlog

from bireme.kit.backoff import Backoff
from bireme.kit.clock import Clock
from bireme.kit.errors import MissingExtra
from bireme.storage.ports import Transaction

try:
    import asyncpg
except ModuleNotFoundError as missing:
    raise MissingExtra("postgres", "a PostgreSQL database") from missing

log = structlog.get_logger(__name__)

_CHANNEL = "bireme"
_BEAT_S = 5.0
_ANSWER_S = 5.0
_AGAIN = Backoff(base_s=0.2, factor=2, cap_s=5)
_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class PostgresSignals:
    """`bireme.storage.ports.Signals`, on a connection of its own. `run` until cancelled.

    After every new connection all topics are called: what was said while there was none is not known.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._calls: dict[str, list[Callable[[], None]]] = defaultdict(list)

    def tell(self, tx: Transaction, topic: str) -> None:
        tx.query("SELECT pg_notify(?, ?)", (_CHANNEL, topic))

    def hear(self, topic: str, call: Callable[[], None]) -> None:
        self._calls[topic].append(call)

    async def run(self) -> None:
        attempt = 0
        while True:
            try:
                connection = await asyncpg.connect(self._url, timeout=_ANSWER_S)
                attempt = 0
                await self._listen(connection)
            except _ERRORS as error:
                attempt += 1
                if attempt == 1:
                    log.warning("signals_lost", error=str(error) or type(error).__name__)
                await self._clock.sleep(_AGAIN.delay(attempt))

    async def _listen(self, connection: Any) -> None:
        """Until the connection is lost."""
        try:
            await connection.add_listener(_CHANNEL, self._heard)
            for topic in tuple(self._calls):
                self._call(topic)
            while True:
                await self._clock.sleep(_BEAT_S)
                await connection.execute("SELECT 1", timeout=_ANSWER_S)
        finally:
            with contextlib.suppress(*_ERRORS):
                connection.terminate()

    def _heard(self, connection: Any, pid: int, channel: str, topic: Any) -> None:
        self._call(str(topic))

    def _call(self, topic: str) -> None:
        for call in self._calls.get(topic, ()):
            call()
