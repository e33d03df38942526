"""Reading logs while they grow: in chunks, never whole, with a wait that grows while nothing comes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from bireme.kit.clock import Clock

_CHUNK_BYTES = 1 << 16
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.25


async def follow_files(
    paths: Sequence[Path], clock: Clock, is_growing: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Everything in the files, and what is added to them until `is_growing` says no. A missing file is empty."""
    places = dict.fromkeys(paths, 0)
    wait_s = _FIRST_WAIT_S
    while True:
        last_round = not is_growing()
        got_some = False
        for path in paths:
            while chunk := await asyncio.to_thread(_read, path, places):
                got_some = True
                yield chunk
        if last_round:
            return
        wait_s = _FIRST_WAIT_S if got_some else min(wait_s * 1.5, _LONGEST_WAIT_S)
        await clock.sleep(wait_s)


def _read(path: Path, places: dict[Path, int]) -> bytes:
    """The next chunk, and the place moved behind it. The hole in the middle of a trimmed log is skipped."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        start = os.lseek(fd, places[path], os.SEEK_DATA)
        chunk = os.pread(fd, _CHUNK_BYTES, start)
        places[path] = start + len(chunk)
        return chunk
    except OSError:
        return b""  # nothing behind this place yet
    finally:
        os.close(fd)
