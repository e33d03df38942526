"""A directory made while nothing else is to do, for the run that comes next.

To make one asks the file system for a part of the disk that it may have to read first (milliseconds), and a waiting
event would pay for that; a rename costs a hundredth.
"""

import os

from executor.runner import files

NAME = ".spare"


class Spare:
    """One empty directory in `folder`, or none: it is a matter of speed only."""

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/{NAME}"
        self.is_wanted = True

    def prepare(self) -> None:
        """Have one, if the disk allows; what a killed runner left is as good."""
        self.is_wanted = False
        try:
            os.mkdir(self._path)
        except OSError:
            return

    def become(self, folder: str) -> None:
        """Make the directory `folder`, unless somebody has meanwhile. Raises OSError."""
        self.is_wanted = True
        try:
            os.rename(self._path, folder)
        except OSError:  # there is none, or `folder` is there and in use
            files.make(folder)
