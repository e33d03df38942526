"""`source.file`: a file of this machine.

    source:
      file: {path: /etc/bireme/build.yaml}

A file that is not there yet is worth a retry.
"""

import asyncio
import os
import stat
from typing import Any

from events import fields
from events.ports import Place
from sensors.errors import BadSensor, TriggerFailed
from sensors.registry import manifest_sources
from sensors.surroundings import Surroundings

_LIMIT_BYTES = 1 << 20


@manifest_sources.register("file")
class FileSource:
    """Reads regular files only: a pipe or a device would never end."""

    class Config(fields.Fields, frozen=True, kw_only=True):
        """Argo's FileArtifact."""

        path: str = ""

    def __init__(self, surroundings: Surroundings) -> None:
        pass

    async def read(self, block: dict[str, Any], place: Place) -> bytes:
        path = block.get("path")
        if not path:
            raise BadSensor("source.file.path is missing")
        return await asyncio.to_thread(_read, path)

    async def close(self) -> None:
        """Holds nothing."""


def _read(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TriggerFailed(f"source.file: {path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadSensor(f"source.file: {path} is not a file")
        return file.read(_LIMIT_BYTES + 1)
