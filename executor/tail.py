"""Reading logs while they grow: in chunks, never whole, with a wait that grows while nothing comes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from bireme.kit.clock import Clock

_CHUNK_BYTES = 1 << 16
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.25


async def follow_files(
    paths: Sequence[Path], clock: Clock, is_growing: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Everything in the files, and what is added to them until `is_growing` says no. A missing file is empty."""
    streams: dict[Path, BinaryIO] = {}
    wait_s = _FIRST_WAIT_S
    try:
        while True:
            last_round = not is_growing()
            got_some = False
            for path in paths:
                async for chunk in _new_in(path, streams):
                    got_some = True
                    yield chunk
            if last_round:
                return
            wait_s = _FIRST_WAIT_S if got_some else min(wait_s * 1.5, _LONGEST_WAIT_S)
            await clock.sleep(wait_s)
    finally:
        for stream in streams.values():
            stream.close()


async def _new_in(path: Path, streams: dict[Path, BinaryIO]) -> AsyncIterator[bytes]:
    if path not in streams:
        try:
            streams[path] = path.open("rb")
        except FileNotFoundError:
            return
    while chunk := await asyncio.to_thread(streams[path].read, _CHUNK_BYTES):
        yield chunk
