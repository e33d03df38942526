"""A watched directory of manifests: what its files say is what is applied."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bireme.kit.clock import Clock
from bireme.kit.errors import BiremeError, InvalidManifest, Problem
from server.objects import check
from server.objects.check import Checked
from server.objects.holders import Holders
from server.objects.model import Applied, rank
from server.objects.run import Objects

log = structlog.get_logger(__name__)

SUFFIXES = (".yaml", ".yml", ".json")
_LARGEST_BYTES = 8 * 2**20

Signature = tuple[int, int, int]
"""Modification time (ns), size and inode: changes whenever an editor, git or a copy touches the file."""


@dataclass(slots=True)
class Look:
    """What one look at the directory did: objects touched, complaints by file."""

    applied: list[Applied] = field(default_factory=list)
    problems: dict[Path, list[Problem]] = field(default_factory=dict)


class Directory:
    """Applies the manifests under `root` as they change and removes objects whose file, or place in it, is gone.

    A file that cannot be used changes nothing: its complaints are reported once per change of the file, the objects
    it held before stay. Of two files that define the same object the first keeps it (`Holders`).
    Hidden files and directories are not looked at. Looking costs one `stat` per file.
    """

    def __init__(
        self, root: Path, objects: Objects, clock: Clock, interval_s: float, namespace: str
    ) -> None:
        self.root = root.absolute()
        self._objects, self._clock, self._interval_s = objects, clock, interval_s
        self._namespace = namespace
        self._seen: dict[Path, Signature] = {}
        self._broken: set[Path] = set()
        self._holders = Holders()
        self._is_first = True

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._clock.sleep(self._interval_s)
            await self.look()

    async def look(self) -> Look:
        """One look: apply what changed, remove what vanished. Templates and secrets go first, workflows last."""
        look = Look()
        found = dict(self._files())
        changed = [path for path, signature in found.items() if self._seen.get(path) != signature]
        gone = self._seen.keys() - found.keys()
        must_tidy = self._is_first or gone
        self._seen, self._is_first = found, False
        self._holders.leave(gone)
        if changed or gone:
            changed += sorted(self._holders.refused.difference(changed))
        parsed = {path: self._parse(path, look) for path in changed}
        ordered = [(path, one) for path, checked in parsed.items() for one in checked or ()]
        for path, one in sorted(ordered, key=lambda entry: rank(entry[1].kind)):
            await self._apply(path, one, look)
        for path, checked in parsed.items():
            await self._finish(path, checked, look)
        if must_tidy:
            await self._remove(look, _has_no_file)
        return look

    def _files(self) -> Iterator[tuple[Path, Signature]]:
        for path in walk(self.root):
            try:
                stat = path.stat()
            except OSError:
                continue
            yield path, (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    def _parse(self, path: Path, look: Look) -> list[Checked] | None:
        try:
            checked = check.file(path, _LARGEST_BYTES, self._namespace)
        except InvalidManifest as error:
            look.problems[path] = error.problems
            return None
        self._holders.hold(path, checked)
        return checked

    async def _apply(self, path: Path, one: Checked, look: Look) -> None:
        if refusal := self._holders.refusal(path, one):
            look.problems.setdefault(path, []).append(refusal)
            return
        try:
            look.applied.append(await self._objects.apply(one, origin=str(path)))
        except BiremeError as error:
            look.problems.setdefault(path, []).extend(one.problems_of(error))

    async def _finish(self, path: Path, checked: list[Checked] | None, look: Look) -> None:
        """Say what is wrong with the file, or drop the objects it no longer holds."""
        problems = look.problems.get(path, [])
        for problem in problems:
            log.error("manifest_refused", problem=str(problem))
        if not problems and path in self._broken:
            log.info("manifest_accepted_again", file=str(path))
        (self._broken.add if problems else self._broken.discard)(path)
        if checked is not None and not problems:
            keep = {one.key for one in checked}
            await self._remove(look, lambda origin: origin == str(path), keep)

    async def _remove(
        self,
        look: Look,
        wanted: Callable[[str], bool],
        keep: set[tuple[str, str, str]] | None = None,
    ) -> None:
        for stored in self._objects.of_origin(wanted):
            if stored.key not in (keep or ()):
                look.applied.append(await self._objects.delete(*stored.key))


def _has_no_file(origin: str) -> bool:
    """An object from a file that is gone, here or in a directory that was watched by an earlier process."""
    return origin.startswith("/") and not Path(origin).exists()


def walk(folder: Path) -> Iterator[Path]:
    """The manifest files below a folder in the order of their names; hidden ones are left out."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.suffix in SUFFIXES and entry.is_file():
            yield entry
        elif entry.is_dir() and not entry.is_symlink():
            yield from walk(entry)
