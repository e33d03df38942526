"""Which file of a directory an object belongs to: two files must not take turns at one object."""

from collections.abc import Collection, Iterable
from pathlib import Path

from bireme.kit.errors import Problem
from server.objects.check import Checked
from server.objects.model import Key


class Holders:
    """The first file that holds an object keeps it until the object leaves that file, or the file goes."""

    def __init__(self) -> None:
        self._file_of: dict[Key, Path] = {}
        self._refused: set[Path] = set()

    def leave(self, gone: Collection[Path]) -> None:
        """These files are no more."""
        self._refused -= set(gone)
        self._file_of = {key: path for key, path in self._file_of.items() if path not in gone}

    def hold(self, path: Path, objects: Iterable[Checked]) -> None:
        """What the file holds now; it lets go of everything else."""
        self._refused.discard(path)
        keys = {one.key for one in objects}
        for key in [key for key, holder in self._file_of.items() if holder == path]:
            if key not in keys:
                del self._file_of[key]

    def refusal(self, path: Path, one: Checked) -> Problem | None:
        """Why this object of this file cannot be applied, if another file holds it."""
        if not one.kind or not (one.manifest.get("metadata") or {}).get("name"):
            return None
        holder = self._file_of.setdefault(one.key, path)
        if holder == path:
            return None
        self._refused.add(path)
        return one.placed(
            Problem(
                message=f"{one.title} is defined in {holder} already",
                path="metadata.name",
                found=one.name,
                expected="each object in one file",
                advice="Give one of the two another name, or remove it: the first file keeps the object.",
            )
        )

    @property
    def refused(self) -> set[Path]:
        """Files to look at again once any file has changed: what stood in their way may be gone."""
        return set(self._refused)
