"""A running engine process: start in order, serve until a signal, stop in reverse."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

import structlog

from bireme.kit.supervise import run_together
from bireme.storage.lock import DatabaseInUse
from bireme.storage.ports import StorageUnavailable
from server import local, openfiles, wiring
from server.deck import Deck
from server.local import LocalEngine
from server.objects.directory import Directory
from server.settings import Settings

log = structlog.get_logger(__name__)

STAND_BY_S = 0.5
"""How often an engine on standby tries to take over."""

HARD_EXIT_S = 10.0
"""How long after the drain's own limit a process that still has not ended is ended by force."""


Started = Callable[[Deck, LocalEngine, bool], None]


async def serve(
    settings: Settings, folder: Path | None, *, started: Started, stop: asyncio.Event | None = None
) -> None:
    """Run an engine until `stop` is set or a signal comes. `started` is told once it is ready.

    The first SIGINT or SIGTERM drains: no new work, commits finish, steps go on by themselves. The second ends the
    process at once, and so does a drain that takes too long.
    """
    stop = stop or asyncio.Event()
    openfiles.raise_limit()
    _listen_to_signals(stop, settings.drain_s)
    async with AsyncExitStack() as stack:
        deck = await _in_office(settings, stack, stop)
        if deck is None:
            return
        token, is_new = local.token_for(settings.data_dir, settings.token)
        address = await wiring.listen(deck, token, stack)
        directory = _directory(deck, folder)
        await wiring.start(deck, directory)
        engine = _announce(deck, address, token, stack)
        wiring.settle()
        deck.is_ready = True
        started(deck, engine, is_new)
        try:
            await run_together(wiring.loops(deck, directory), stop=stop, drain_s=settings.drain_s)
        finally:
            deck.is_ready = False
            log.info("engine_draining")
    log.info("engine_stopped")


async def serve_worker(settings: Settings, started: Callable[[str], None]) -> None:
    """As `serve`, for a process that evaluates a share of the sensors."""
    from server import worker

    stop = asyncio.Event()
    openfiles.raise_limit()
    _listen_to_signals(stop, settings.drain_s)
    await worker.serve(settings, stop, started)


async def _in_office(settings: Settings, stack: AsyncExitStack, stop: asyncio.Event) -> Deck | None:
    """The parts of the engine; on standby, once no other engine has the database. None when told to stop before."""
    complained = ""
    while not stop.is_set():
        try:
            return await wiring.build(settings, stack)
        except (DatabaseInUse, StorageUnavailable) as error:
            if not settings.stands_by:
                raise
            if str(error) != complained:
                complained = str(error)
                log.info("engine_stands_by", reason=complained)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), STAND_BY_S)
    return None


def _directory(deck: Deck, folder: Path | None) -> Directory | None:
    if folder is None:
        return None
    settings = deck.settings
    interval_s = settings.watch_interval_s
    return Directory(folder, deck.objects, deck.clock, interval_s, settings.namespace)


def _announce(deck: Deck, address: str, token: str, stack: AsyncExitStack) -> LocalEngine:
    settings = deck.settings
    engine = LocalEngine(
        address, token, os.getpid(), settings.data_dir, deck.clock.now().timestamp()
    )
    local.announce(engine, settings.state_dir)
    stack.callback(local.withdraw, settings.data_dir, settings.state_dir)
    return engine


def _listen_to_signals(stop: asyncio.Event, drain_s: float) -> None:
    loop = asyncio.get_running_loop()

    def heard(signal_name: str) -> None:
        if stop.is_set():
            log.warning("engine_forced", signal=signal_name)
            _end(130)
        log.info("engine_stopping", signal=signal_name)
        stop.set()
        timer = threading.Timer(drain_s + HARD_EXIT_S, _end, (1,))
        timer.daemon = True
        timer.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard, signal.Signals(number).name)


def _end(code: int) -> NoReturn:
    """Without cleaning up: what is durable is durable, and the next start adopts the rest."""
    os._exit(code)
