"""Where no private view can be had: steps that declare the same absolute path take turns, then the files are moved.

Only steps sent with `view: turns` are concerned; for all others every method here does nothing.
"""

import os
import shutil
from collections import deque

from executor.runner import files
from executor.runner.spawn import Message

_ASIDE = ".before-bireme"


class Turns:
    """Which declared paths are in use, and who waits for one of them in order of arrival."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._waiting: deque[Message] = deque()

    def must_wait(self, message: Message) -> bool:
        """True when a path of the step is in use: the message is kept until `leave` hands it out."""
        if message.get("view") != "turns":
            return False
        if any(kept["id"] == message["id"] for kept in self._waiting):
            return True
        if self._busy.isdisjoint(_paths(message)):
            return False
        self._waiting.append(message)
        return True

    def withdraw(self, task: str) -> Message | None:
        """Forget a waiting step; the message when it was waiting."""
        for message in self._waiting:
            if message["id"] == task:
                self._waiting.remove(message)
                return message
        return None

    def enter(self, message: Message, folder: str) -> None:
        """The step is about to run: its inputs go to their real places, what lies there now is put aside."""
        if message.get("view") != "turns":
            return
        self._busy.update(_paths(message))
        for path in _paths(message):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.lexists(path):
                os.rename(path, path + _ASIDE)
            mirrored = folder + files.VIEW + path
            if path in _binds(message):
                os.symlink(_binds(message)[path][0], path)
            elif os.path.lexists(mirrored):
                shutil.move(mirrored, path)

    def leave(self, message: Message, folder: str) -> list[Message]:
        """The step has ended: its files come to its directory. Returns who may try now."""
        if message.get("view") != "turns":
            return []
        for path in _paths(message):
            if path in _binds(message):
                os.unlink(path)
            elif os.path.lexists(path):
                mirrored = folder + files.VIEW + path
                os.makedirs(os.path.dirname(mirrored), exist_ok=True)
                shutil.move(path, mirrored)
            if os.path.lexists(path + _ASIDE):
                os.rename(path + _ASIDE, path)
        self._busy.difference_update(_paths(message))
        ready, self._waiting = list(self._waiting), deque()
        return ready


def _binds(message: Message) -> dict[str, tuple[str, bool]]:
    return message.get("binds") or {}


def _paths(message: Message) -> list[str]:
    return [*(message.get("private") or ()), *_binds(message)]
