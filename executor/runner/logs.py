"""Keeps the log of a step that prints without end from filling the disk: its beginning and its end stay.

The middle is given back to the file system as a hole, so that nothing moves: the step goes on appending, readers keep
their place and skip the hole. File systems without holes keep the whole log.
"""

import ctypes
import os

from executor.runner import files

_HEAD_BYTES = 1 << 20
_PUNCH_HOLE = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_BLOCK_BYTES = 4096


def trim(folder: str, limit: int) -> None:
    """Give back the middle of each log that takes more than `limit` on disk: what stays is half of that."""
    for name in (files.LOG, files.STDOUT):
        try:
            found = os.stat(folder + name)
        except FileNotFoundError:
            continue
        if found.st_blocks * 512 > limit:
            _punch(folder + name, _HEAD_BYTES, found.st_size - limit // 2)


def _punch(path: str, start: int, end: int) -> None:
    length = (end - start) // _BLOCK_BYTES * _BLOCK_BYTES
    if length <= 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        libc.fallocate(fd, _PUNCH_HOLE, start, length)
    finally:
        os.close(fd)
