"""The local store keeps to its directory, whatever keys say and whatever links steps have left in it."""

from pathlib import Path
from typing import Any

import pytest

from executor import readings
from executor.artifacts.local import BadKey, LocalStore
from executor.stores import Stores


def artifact(key: str) -> dict[str, Any]:
    return {"name": "a", "local": {"key": key}}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the store, to which a kept directory has a link."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "private").write_text("private")
    (tmp_path / "store" / "kept").mkdir(parents=True)
    (tmp_path / "store" / "kept" / "out").symlink_to(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path, outside: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.mark.parametrize("key", ["kept/out/private", "kept/out", "../outside/private"])
async def test_nothing_outside_is_read(store: LocalStore, tmp_path: Path, key: str) -> None:
    with pytest.raises(BadKey):
        await store.load(artifact(key), tmp_path / "copy")
    with pytest.raises(BadKey):
        [chunk async for chunk in store.open_stream(artifact(key))]
    with pytest.raises(BadKey):
        await store.list(artifact(key))


async def test_nothing_outside_is_written_or_deleted(
    store: LocalStore, tmp_path: Path, outside: Path
) -> None:
    (tmp_path / "made").write_text("made")
    with pytest.raises(BadKey):
        await store.save(tmp_path / "made", artifact("kept/out/new"))
    with pytest.raises(BadKey):
        await store.delete(artifact("kept/out/private"))
    assert (outside / "private").read_text() == "private"
    assert not (outside / "new").exists()


async def test_a_link_in_a_kept_directory_stays_a_link(store: LocalStore, tmp_path: Path) -> None:
    await store.load(artifact("kept"), tmp_path / "copy")
    assert (tmp_path / "copy" / "out").is_symlink()


@pytest.mark.parametrize("key", ["a//b.txt", "a/b.txt/", "./a/b.txt"])
async def test_a_key_is_read_however_it_is_spelt(tmp_path: Path, key: str) -> None:
    known, made = Stores(tmp_path / "store"), tmp_path / "made"
    made.write_text("made")
    await known.of(artifact(key), "a").save(made, artifact(key))
    assert await readings.files(known, artifact(key)) == [""]
    assert [chunk async for chunk in readings.read(known, artifact(key), "")] == [b"made"]
