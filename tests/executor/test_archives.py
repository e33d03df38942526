"""What is packed comes out again; what would reach outside its directory does not come out at all."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from executor import archives
from executor.archives import BadArchive


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tar_of(path: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info in entries:
            archive.addfile(info, io.BytesIO(b""))
    return path


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_file_packed_alone_becomes_a_file_again(tmp_path: Path, kind: str) -> None:
    (tmp_path / "report.txt").write_text("42")
    archives.pack(tmp_path / "report.txt", tmp_path / "packed", kind, {})
    archives.unpack(tmp_path / "packed", tmp_path / "out", kind)
    assert (tmp_path / "out").read_text() == "42"


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_directory_comes_back_with_its_modes(tmp_path: Path, kind: str) -> None:
    (tmp_path / "tree" / "empty").mkdir(parents=True)
    tool = tmp_path / "tree" / "tool.sh"
    tool.write_text("#!/bin/sh")
    tool.chmod(0o755)
    archives.pack(tmp_path / "tree", tmp_path / "packed", kind, {})
    archives.unpack(tmp_path / "packed", tmp_path / "out", kind)
    assert (tmp_path / "out" / "tool.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / "empty").is_dir()


def test_a_gzip_tar_is_recognised_when_the_manifest_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    archives.pack(tmp_path / "a", tmp_path / "packed", "tar", {})
    archives.unpack(tmp_path / "packed", tmp_path / "out", "")
    assert (tmp_path / "out").read_text() == "x"


def test_other_files_are_left_as_they_are_when_the_manifest_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"\x1f\x8bnot really")
    archives.unpack(tmp_path / "plain", tmp_path / "out", "")
    assert (tmp_path / "out").read_bytes() == b"\x1f\x8bnot really"


def test_links_inside_the_archive_are_kept(tmp_path: Path) -> None:
    packed = tar_of(
        tmp_path / "packed",
        entry("d/lib.so.1"),
        entry("d/lib.so", tarfile.SYMTYPE, "lib.so.1"),
        entry("e/up", tarfile.SYMTYPE, "../d/lib.so"),
    )
    archives.unpack(packed, tmp_path / "out", "tar")
    assert (tmp_path / "out" / "e" / "up").resolve() == (tmp_path / "out" / "d" / "lib.so.1")


ESCAPES: dict[str, list[tarfile.TarInfo]] = {
    "traversal": [entry("../evil")],
    "traversal in the middle": [entry("a/../../evil")],
    "absolute": [entry("/evil")],
    "link out": [entry("l", tarfile.SYMTYPE, "../../etc")],
    "absolute link": [entry("l", tarfile.SYMTYPE, "/etc/passwd")],
    "hard link out": [entry("l", tarfile.LNKTYPE, "../evil")],
    "through a link": [entry("l", tarfile.SYMTYPE, "."), entry("l/evil")],
    "over a link": [entry("l", tarfile.SYMTYPE, "x"), entry("l")],
    "link made of links": [
        entry("d", tarfile.SYMTYPE, "."),
        entry("a", tarfile.SYMTYPE, "d/../evil"),
    ],
    "device": [entry("dev", tarfile.CHRTYPE)],
    "pipe": [entry("pipe", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("entries", ESCAPES.values(), ids=ESCAPES)
def test_a_tar_that_reaches_out_is_refused(tmp_path: Path, entries: list[tarfile.TarInfo]) -> None:
    packed = tar_of(tmp_path / "packed", *entries)
    with pytest.raises(BadArchive, match="illegal"):
        archives.unpack(packed, tmp_path / "out", "tar")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil"])
def test_a_zip_that_reaches_out_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "packed", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(BadArchive, match="illegal file path"):
        archives.unpack(tmp_path / "packed", tmp_path / "out", "zip")
    assert not (tmp_path / "out").exists()


def _torn(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage")


@pytest.mark.parametrize("spoil", [_torn, _garbage])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_broken_archive_is_named(
    tmp_path: Path, kind: str, spoil: Callable[[Path], None]
) -> None:
    (tmp_path / "a").write_text(" ".join(str(number**3) for number in range(9000)))
    archives.pack(tmp_path / "a", tmp_path / "packed", kind, {})
    spoil(tmp_path / "packed")
    with pytest.raises(BadArchive, match="packed is not a sound"):
        archives.unpack(tmp_path / "packed", tmp_path / "out", kind)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zeros").write_bytes(bytes(2_000_000))
    archives.pack(tmp_path / "zeros", tmp_path / "packed", kind, {})
    assert (tmp_path / "packed").stat().st_size < 10_000
    disk = SimpleNamespace(total=20_000_000, free=2_500_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: disk)
    with pytest.raises(BadArchive, match=r"'zeros' does not fit: .* 2000000 bytes, and 1500000"):
        archives.unpack(tmp_path / "packed", tmp_path / "out", kind)
    assert not (tmp_path / "out").exists()


def test_a_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "packed", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadArchive, match="'link' is a link"):
        archives.unpack(tmp_path / "packed", tmp_path / "out", "zip")


def test_a_zip_lends_nobodys_rights(tmp_path: Path) -> None:
    tool = zipfile.ZipInfo("tool")
    tool.external_attr = (stat.S_IFREG | stat.S_ISUID | 0o755) << 16
    with zipfile.ZipFile(tmp_path / "packed", "w") as archive:
        archive.writestr(tool, "x")
    archives.unpack(tmp_path / "packed", tmp_path / "out", "zip")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755
