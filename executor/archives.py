"""Packing outputs and unpacking inputs. What is unpacked cannot reach outside its directory."""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from bireme.kit.errors import UserError
from executor.ports import ExecutorError

_SUFFIXES = {"none": "", "tar": ".tgz", "zip": ".zip"}
_ENCRYPTED = 0x1
_KEPT_FREE = 1 << 30
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)


class BadArchive(ExecutorError, UserError):
    """The archive is broken, or holds what must not be unpacked; the message names the entry."""


def strategy(artifact: dict[str, Any]) -> str:
    """`none`, `tar`, `zip`, or "" when the manifest does not say (tar when saving, looked at when loading)."""
    archive = artifact.get("archive") or {}
    return next((kind for kind in ("none", "tar", "zip") if kind in archive), "")


def suffix(kind: str) -> str:
    """What the file name of a saved artifact ends with."""
    return _SUFFIXES[kind]


def pack(source: Path, target: Path, kind: str, artifact: dict[str, Any]) -> None:
    """Write `source` (file or directory) as one archive; its own name is the top of the archive."""
    if kind == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in _below(source):
                archive.write(path, path.relative_to(source.parent))
        return
    level = ((artifact.get("archive") or {}).get("tar") or {}).get("compressionLevel")
    chosen = 6 if level is None or int(level) < 0 else min(int(level), 9)
    with tarfile.open(target, "w:gz", compresslevel=chosen) as archive:
        archive.add(source, arcname=source.name)


def unpack(source: Path, target: Path, kind: str) -> None:
    """Make `target` from a loaded file. A single top-level entry becomes `target` itself. Raises BadArchive."""
    if kind == "none" or (not kind and not _is_gzip_tar(source)):
        os.replace(source, target)
        return
    room = target.with_name(f".{target.name}.unpacked")
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    try:
        _unzip(source, room) if kind == "zip" else _untar(source, room)
        entries = list(room.iterdir())
        os.replace(entries[0] if len(entries) == 1 else room, target)
    except _BROKEN as error:
        raise BadArchive(
            f"{source.name} is not a sound {kind or 'tar'} archive: {error}"
        ) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
        source.unlink(missing_ok=True)


def _is_gzip_tar(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return False
    try:
        with tarfile.open(path, "r:gz"):
            return True
    except (tarfile.TarError, EOFError, OSError):
        return False


class _Space:
    """What may be unpacked: a gigabyte stays free, of a small disk a twentieth; the database needs it to go on."""

    def __init__(self, room: Path) -> None:
        disk = shutil.disk_usage(room)
        self._kept = min(_KEPT_FREE, disk.total // 20)
        self._left = disk.free - self._kept

    def take(self, name: str, size: int) -> None:
        """Before the entry is unpacked. Raises BadArchive."""
        if size > self._left:
            raise BadArchive(
                f"'{name}' does not fit: it has {size} bytes, and {max(self._left, 0)} may still be used"
                f" of the disk ({self._kept} stay free for the engine)"
            )
        self._left -= size


def _untar(source: Path, room: Path) -> None:
    space = _Space(room)
    with tarfile.open(source, "r:*") as archive:
        links: set[PurePosixPath] = set()
        for member in archive:
            path = _inside(member.name, links)
            space.take(member.name, member.size)
            if member.issym():
                _check_link(path, member.linkname)
                links.add(path)
            elif member.islnk():
                _inside(member.linkname, links)
            elif not (member.isfile() or member.isdir()):
                raise BadArchive(f"illegal file: '{member.name}' is a device or a pipe")
            archive.extract(member, room, set_attrs=not member.issym(), filter="data")


def _unzip(source: Path, room: Path) -> None:
    space = _Space(room)
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            _inside(entry.filename, set())
            space.take(entry.filename, entry.file_size)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise BadArchive(f"illegal file: '{entry.filename}' is a link")
            if entry.flag_bits & _ENCRYPTED:
                raise BadArchive(f"'{entry.filename}' is encrypted")
            path = Path(archive.extract(entry, room))
            # Never the bits that lend somebody's rights, which nobody asked for.
            if mode := entry.external_attr >> 16 & 0o777:
                path.chmod(mode | stat.S_IRUSR | stat.S_IWUSR)


def _inside(name: str, links: set[PurePosixPath]) -> PurePosixPath:
    """`name` without `.` and `..`. Raises BadArchive when it leaves the archive, or goes through one of its links."""
    parts: list[str] = []
    for part in PurePosixPath(name).parts:
        if part == "/" or (part == ".." and not parts):
            raise BadArchive(f"illegal file path: '{name}' leads out of the archive")
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
        if PurePosixPath(*parts) in links and part != "..":
            raise BadArchive(f"illegal file path: '{name}' goes through a link of the archive")
    return PurePosixPath(*parts)


def _check_link(path: PurePosixPath, target: str) -> None:
    """A link may climb first and descend then, inside the archive: `d/..` could leave it when `d` is itself a link."""
    parts = PurePosixPath(target).parts
    climbs = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    if ".." in parts[climbs:] or PurePosixPath(target).is_absolute():
        raise BadArchive(f"illegal link: '{path}' points to '{target}'")
    _inside(str(path.parent / target), set())


def _below(source: Path) -> Iterator[Path]:
    yield source
    if source.is_dir() and not source.is_symlink():
        yield from (path for path in sorted(source.rglob("*")) if not path.is_symlink())
