"""The watched directory: what its files say is what is applied."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bireme.kit.clock import FixedClock
from bireme.kit.errors import UserError
from bireme.kit.ids import CountedIds
from bireme.storage.open import open_database
from bireme.storage.ports import Database, Transaction
from server.objects.directory import Directory, Look
from server.objects.model import StoredObject
from server.objects.run import Objects

TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: %s}
spec:
  entrypoint: main
  templates:
    - name: main
      container: {image: x, command: [echo, "%s"]}
"""
WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hello-}
spec:
  entrypoint: main
  templates:
    - name: main
      container: {image: x, command: [echo, "%s"]}
"""


class Shelf:
    """A taker that writes down what it is given."""

    def __init__(self) -> None:
        self.here: dict[str, StoredObject] = {}
        self.given = 0

    async def apply(self, stored: StoredObject) -> None:
        if "refuse" in stored.name:
            raise UserError("the bank refuses it")
        self.given += 1
        self.here[stored.name] = stored

    async def remove(self, namespace: str, name: str) -> None:
        del self.here[name]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(tmp_path / "db" / "bireme.db")
    yield opened
    await opened.close()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def submitted() -> list[str]:
    return []


@pytest.fixture
def objects(database: Database, shelf: Shelf, submitted: list[str]) -> Objects:
    def submit(tx: Transaction, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        if firing not in submitted:
            submitted.append(firing)
        return {"namespace": "default", "name": f"hello-{len(submitted)}", "uid": "u"}

    return Objects(database, FixedClock(), CountedIds(), {"WorkflowTemplate": shelf}, submit)


@pytest.fixture
def directory(tmp_path: Path, objects: Objects) -> Directory:
    (tmp_path / "manifests").mkdir()
    return Directory(tmp_path / "manifests", objects, FixedClock(), 1.0, "default")


def actions(look: Look) -> list[tuple[str, str]]:
    return [(done.name, done.action) for done in look.applied]


async def test_files_are_applied_changed_and_removed_with_their_file(
    directory: Directory, shelf: Shelf
) -> None:
    path = directory.root / "a.yaml"
    path.write_text(TEMPLATE % ("a", "one"))
    assert actions(await directory.look()) == [("a", "created")]
    assert actions(await directory.look()) == []
    path.write_text(TEMPLATE % ("a", "two, and longer"))
    assert actions(await directory.look()) == [("a", "configured")]
    assert shelf.here["a"].generation == 2
    path.unlink()
    assert actions(await directory.look()) == [("a", "deleted")]
    assert shelf.here == {}


async def test_an_object_that_left_its_file_is_removed(directory: Directory, shelf: Shelf) -> None:
    path = directory.root / "both.yaml"
    path.write_text(TEMPLATE % ("a", "x") + "---\n" + TEMPLATE % ("b", "x"))
    await directory.look()
    assert set(shelf.here) == {"a", "b"}
    path.write_text(TEMPLATE % ("b", "x"))
    await directory.look()
    assert set(shelf.here) == {"b"}


async def test_two_files_do_not_take_turns_at_one_object(
    directory: Directory, shelf: Shelf
) -> None:
    first, second = directory.root / "a.yaml", directory.root / "b.yaml"
    first.write_text(TEMPLATE % ("same", "one"))
    second.write_text(TEMPLATE % ("same", "two") + "---\n" + TEMPLATE % ("other", "x"))
    look = await directory.look()
    assert actions(look) == [("same", "created"), ("other", "created")]
    [problem] = look.problems[second]
    assert str(first) in problem.message
    assert (problem.path, problem.line) == ("metadata.name", 3)
    assert (await directory.look()).problems == {}
    first.unlink()
    assert actions(await directory.look()) == [("same", "configured"), ("other", "unchanged")]
    assert shelf.here["same"].origin == str(second)


async def test_an_object_may_move_from_one_file_to_another(
    directory: Directory, shelf: Shelf
) -> None:
    first, second = directory.root / "a.yaml", directory.root / "b.yaml"
    second.write_text(TEMPLATE % ("moving", "x"))
    await directory.look()
    first.write_text(TEMPLATE % ("moving", "x"))
    second.write_text(TEMPLATE % ("staying", "x"))
    assert (await directory.look()).problems == {}
    assert shelf.here["moving"].origin == str(first)


async def test_a_broken_file_stops_no_other_and_changes_nothing(
    directory: Directory, shelf: Shelf
) -> None:
    broken = directory.root / "a-broken.yaml"
    broken.write_text(TEMPLATE % ("a", "one"))
    await directory.look()
    broken.write_text("kind: WorkflowTemplate\n  spec: [")
    (directory.root / "good.yaml").write_text(TEMPLATE % ("good", "x"))
    look = await directory.look()
    assert actions(look) == [("good", "created")]
    assert set(shelf.here) == {"a", "good"}
    problem = look.problems[broken][0]
    assert problem.file == str(broken)
    assert problem.line > 0
    assert (await directory.look()).problems == {}


async def test_an_unknown_field_is_named_with_its_line_and_advice(directory: Directory) -> None:
    path = directory.root / "typo.yaml"
    path.write_text((TEMPLATE % ("typo", "x")).replace("entrypoint", "entrypiont"))
    (problem,) = (await directory.look()).problems[path]
    assert problem.line == 5
    assert "entrypoint" in problem.advice


async def test_what_a_bank_refuses_is_reported_at_its_place(
    directory: Directory, shelf: Shelf
) -> None:
    path = directory.root / "r.yaml"
    path.write_text(TEMPLATE % ("refused", "x"))
    (problem,) = (await directory.look()).problems[path]
    assert problem.file == str(path)
    assert problem.message == "the bank refuses it"
    assert shelf.here == {}


async def test_a_workflow_is_submitted_once_per_content(
    directory: Directory, submitted: list[str]
) -> None:
    path = directory.root / "wf.yaml"
    path.write_text(WORKFLOW % "one")
    await directory.look()
    path.write_text("# a comment that says nothing new\n" + WORKFLOW % "one")
    await directory.look()
    assert len(submitted) == 1
    path.write_text(WORKFLOW % "two")
    await directory.look()
    assert len(submitted) == 2


async def test_a_new_process_goes_on_where_the_old_one_was(
    directory: Directory, objects: Objects, database: Database, submitted: list[str]
) -> None:
    (directory.root / "a.yaml").write_text(TEMPLATE % ("a", "x"))
    (directory.root / "wf.yaml").write_text(WORKFLOW % "one")
    await directory.look()
    (directory.root / "a.yaml").unlink()

    def submit(tx: Transaction, manifest: dict[str, Any], firing: str) -> dict[str, str]:
        submitted.append(firing)
        return {"namespace": "default", "name": "again", "uid": "u"}

    shelf = Shelf()
    later = Objects(database, FixedClock(), CountedIds(), {"WorkflowTemplate": shelf}, submit)
    moments: list[str] = []

    async def between() -> None:
        moments.append("between")
        assert set(shelf.here) == {"a"}

    await later.load(between)
    look = await Directory(directory.root, later, FixedClock(), 1.0, "default").look()
    assert moments == ["between"]
    assert ("a", "deleted") in actions(look)
    assert len(submitted) == 1


async def test_hidden_files_and_other_kinds_of_file_are_left_alone(directory: Directory) -> None:
    (directory.root / ".hidden.yaml").write_text("{{{")
    (directory.root / "notes.txt").write_text("{{{")
    (directory.root / ".git").mkdir()
    (directory.root / ".git" / "x.yaml").write_text("{{{")
    look = await directory.look()
    assert (actions(look), look.problems) == ([], {})


async def test_a_kubernetes_object_that_nothing_here_acts_on_is_named_not_refused(
    directory: Directory,
) -> None:
    text = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\n"
    (directory.root / "sa.yaml").write_text(text)
    look = await directory.look()
    assert actions(look) == [("sa", "ignored")]
    assert look.problems == {}
