"""The file source: what a difference means, and a real directory watched over restarts."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.clock import SystemClock
from bireme.kit.ids import CountedIds
from events.fields import decode
from events.ports import BadSourceConfig, NewEvent, Place, Surroundings
from events.sources.file import FileSource, Op, Stamp, difference, operations

PLACE = Place(namespace="default", name="files", kind="file", subject="orders")


def stamp(inode: int, size: int = 0, mode: int = 0o644, at: int = 1) -> Stamp:
    return Stamp(inode, mode, size, at, at)


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        pytest.param({}, {"a": stamp(1)}, ["CREATE a"], id="an empty file appeared"),
        pytest.param({}, {"a": stamp(1, 5)}, ["CREATE a", "WRITE a"], id="a full file appeared"),
        pytest.param({"a": stamp(1)}, {"a": stamp(1, 5)}, ["WRITE a"], id="it grew"),
        pytest.param({"a": stamp(1, 5)}, {"a": stamp(1, 5, at=2)}, ["WRITE a"], id="rewritten"),
        pytest.param({"a": stamp(1)}, {}, ["REMOVE a"], id="it went"),
        pytest.param({"a": stamp(1, 5)}, {"b": stamp(1, 5)}, ["RENAME a", "CREATE b"], id="renamed"),
        pytest.param({"a": stamp(1)}, {"a": stamp(1, mode=0o600)}, ["CHMOD a"], id="its mode"),
        pytest.param({"a": stamp(1, 5)}, {"a": stamp(2)}, ["CREATE a"], id="replaced"),
        pytest.param({"a": stamp(1)}, {"a": stamp(1)}, [], id="nothing"),
    ],
)  # fmt: skip
def test_a_difference_is_told_as_operations(
    before: dict[str, Stamp], now: dict[str, Stamp], changes: list[str]
) -> None:
    found = difference(before, now, before.keys() | now.keys())
    assert [f"{change.op.name} {change.name}" for change in found] == changes


def test_only_the_names_asked_about_are_compared() -> None:
    assert difference({"a": stamp(1)}, {"b": stamp(2)}, ["b"])[0].name == "b"


@pytest.mark.parametrize(
    ("text", "op"), [("CREATE", Op.CREATE), ("CREATE|WRITE", Op.CREATE | Op.WRITE)]
)
def test_event_types_are_operations(text: str, op: Op) -> None:
    assert operations(text) is op


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"polling": False}, "type must be specified"),
        ({"eventType": "TOUCH"}, "unknown 'TOUCH'; known: CREATE, WRITE"),
        ({"eventType": "CREATE"}, "directory is required"),
        ({"watchPathConfig": {"directory": "x", "path": "a"}}, "must be an absolute file path"),
        ({"watchPathConfig": {"directory": "/x"}}, "either path or pathRegexp must be specified"),
        (
            {"watchPathConfig": {"directory": "/x", "path": "a", "pathRegexp": "b"}},
            "cannot be specified together",
        ),
        ({"watchPathConfig": {"directory": "/x", "path": "/a"}}, "must be a relative file path"),
        ({"watchPathConfig": {"directory": "/x", "pathRegexp": "("}}, "pathRegexp: '\\('"),
    ],
)
def test_a_config_that_cannot_work_is_refused(fields: dict[str, Any], words: str) -> None:
    if "watchPathConfig" in fields:
        fields = {"eventType": "CREATE", **fields}
    with pytest.raises(BadSourceConfig, match=words):
        Watching(Path("/x"), **fields)


class Watching:
    """A source on a directory, its kept state, and what it published."""

    def __init__(self, directory: Path, **fields: Any) -> None:
        self.kept: bytes | None = None
        self._saves = asyncio.Event()
        self.published: asyncio.Queue[NewEvent] = asyncio.Queue()
        self.is_ready = asyncio.Event()
        nothing: Any = None
        around = Surroundings(
            place=PLACE,
            clock=SystemClock(),
            ids=CountedIds(),
            secrets=nothing,
            state=self,
            http=nothing,
            ready=self.is_ready.set,
        )
        config = fields or {
            "eventType": "CREATE|WRITE|REMOVE|RENAME|CHMOD",
            "watchPathConfig": {"directory": f"{directory}/", "pathRegexp": "[.]csv$"},
        }
        self._source = FileSource(decode(FileSource.Config, config, "spec.file.orders"), around)
        self._task: asyncio.Task[None] | None = None

    async def load(self, place: Place) -> bytes | None:
        return self.kept

    async def save(self, place: Place, state: bytes) -> None:
        self.kept = state
        self._saves.set()

    async def saved(self) -> None:
        """Until what is known is written down the next time."""
        self._saves.clear()
        async with asyncio.timeout(5):
            await self._saves.wait()

    async def publish(self, events: Sequence[NewEvent]) -> Any:
        for event in events:
            self.published.put_nowait(event)
        return ()

    async def start(self) -> None:
        self._task = asyncio.ensure_future(self._source.run(self.publish))
        ready = asyncio.ensure_future(self.is_ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def next(self) -> str:
        async with asyncio.timeout(5):
            payload = json.loads((await self.published.get()).data)
        return f"{Op(payload['op']).name} {os.path.basename(payload['name'])}"


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start watching the directory; every source is stopped in the end."""
    running: list[Watching] = []

    async def start(kept: bytes | None = None, **fields: Any) -> Watching:
        one = Watching(tmp_path, **fields)
        one.kept = kept
        running.append(one)
        await one.start()
        return one

    yield start
    for one in running:
        await one.stop()


@pytest.mark.parametrize("polling", [False, True])
async def test_the_life_of_a_file_is_told(watch: Any, tmp_path: Path, polling: bool) -> None:
    source = await watch(
        eventType="CREATE|WRITE|REMOVE|RENAME|CHMOD",
        watchPathConfig={"directory": str(tmp_path), "pathRegexp": "[.]csv$"},
        polling=polling,
    )
    path = tmp_path / "a.csv"
    (tmp_path / "ignored.txt").write_text("x")
    path.touch()
    assert await source.next() == "CREATE a.csv"
    with path.open("a") as file:  # to truncate it first would be a write of its own
        file.write("1,2")
    assert await source.next() == "WRITE a.csv"
    path.chmod(0o600)
    assert await source.next() == "CHMOD a.csv"
    path.rename(tmp_path / "b.csv")
    assert [await source.next(), await source.next()] == ["RENAME a.csv", "CREATE b.csv"]
    (tmp_path / "b.csv").unlink()
    assert await source.next() == "REMOVE b.csv"


async def test_only_the_type_asked_for_is_published(watch: Any, tmp_path: Path) -> None:
    source = await watch(
        eventType="REMOVE", watchPathConfig={"directory": str(tmp_path), "path": "a"}
    )
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    (tmp_path / "b").unlink()
    (tmp_path / "a").unlink()
    assert await source.next() == "REMOVE a"
    assert source.published.empty()


async def test_a_file_that_came_and_went_at_once_is_told(watch: Any, tmp_path: Path) -> None:
    source = await watch()
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.csv").unlink()
    assert [await source.next(), await source.next()] == ["CREATE a.csv", "REMOVE a.csv"]


async def test_what_was_there_at_the_first_start_is_no_event(watch: Any, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("x")
    source = await watch()
    (tmp_path / "new.csv").touch()
    assert await source.next() == "CREATE new.csv"


async def test_what_changed_while_nobody_watched_is_told_at_the_next_start(
    watch: Any, tmp_path: Path
) -> None:
    (tmp_path / "gone.csv").touch()
    (tmp_path / "grown.csv").touch()
    first = await watch()
    await first.stop()
    (tmp_path / "gone.csv").unlink()
    (tmp_path / "grown.csv").write_text("more")
    (tmp_path / "new.csv").touch()
    again = await watch(kept=first.kept)
    told = [await again.next() for _ in range(3)]
    assert told == ["REMOVE gone.csv", "WRITE grown.csv", "CREATE new.csv"]


async def test_a_change_told_twice_carries_the_same_delivery_id(watch: Any, tmp_path: Path) -> None:
    """As after a crash between publishing and keeping what is known."""
    first = await watch()
    before = first.kept
    (tmp_path / "a.csv").write_text("x")
    told = {}
    while "WRITE" not in told:
        event = await first.published.get()
        told[Op(json.loads(event.data)["op"]).name] = event.dedup
    await first.stop()
    again = await watch(kept=before)
    repeated = [again.published.get_nowait().dedup for _ in range(2)]
    assert repeated[1] == told["WRITE"]


@pytest.mark.parametrize("polling", [False, True])
async def test_a_name_that_is_no_text_is_told_and_known_again(
    watch: Any, tmp_path: Path, polling: bool
) -> None:
    """As files from systems of another encoding have."""
    config = {
        "eventType": "CREATE|REMOVE",
        "polling": polling,
        "watchPathConfig": {"directory": f"{tmp_path}/", "pathRegexp": "[.]csv$"},
    }
    first = await watch(**config)
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).touch()
    assert await first.next() == "CREATE caf\\xe9.csv"
    await first.saved()
    await first.stop()
    (tmp_path / "b.csv").touch()
    again = await watch(kept=first.kept, **config)
    assert await again.next() == "CREATE b.csv"


async def test_a_missing_directory_is_an_error_that_can_pass(tmp_path: Path) -> None:
    source = Watching(tmp_path / "missing")
    with pytest.raises(Exception, match=r"cannot watch .*missing") as caught:
        await source.start()
    assert caught.value.retriable  # type: ignore[attr-defined]


async def test_a_directory_that_goes_away_ends_the_watch(watch: Any, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    source = await watch(
        eventType="CREATE", watchPathConfig={"directory": str(folder), "pathRegexp": "."}
    )
    folder.rmdir()
    with pytest.raises(Exception, match="cannot watch"):
        await asyncio.wait_for(source._task, 5)
