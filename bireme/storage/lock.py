"""One engine per database file: an advisory lock that dies with its process."""

import fcntl
import os
from pathlib import Path

from bireme.kit.errors import Conflict
from bireme.storage.ports import StorageUnavailable


class DatabaseInUse(Conflict):
    """Another live process holds the database; the message names its pid."""


class FileLock:
    """Held from construction to `release`. The kernel drops it when the process ends in any way.

    Raises DatabaseInUse, and StorageUnavailable where nothing can be written.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnavailable(
                f"{self.path} cannot be written: {error.strerror}; choose another data directory"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise DatabaseInUse(
                f"{database} is in use by the process with pid {holder}; "
                "stop it, or give this one another data directory"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Releasing twice is releasing once. The file stays: without it two processes could lock two different files
        of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
