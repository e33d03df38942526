"""What is remembered of a checked spec must never show in another workflow."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from bireme.kit.errors import InvalidManifest
from bireme.kit.ids import CountedIds
from controller.births import Nursery
from controller.dag import turn
from controller.dag.model import StartTask
from controller.templates import TemplateShelf
from tests.controller.worlds import workflow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def greeting(value: Any, **metadata: Any) -> dict[str, Any]:
    say = {
        "name": "say",
        "container": {"image": "i", "command": ["echo", "{{workflow.parameters.who}}"]},
    }
    arguments = {"parameters": [{"name": "who", "value": value}]}
    return workflow(say, arguments=arguments, metadata={"generateName": "hi-", **metadata})


def command(nursery: Nursery, manifest: dict[str, Any], firing: str = "") -> str:
    born = nursery.bear(manifest, NOW, firing=firing)
    (start,) = [effect for effect in born.effects if isinstance(effect, StartTask)]
    text: str = start.task.template["container"]["command"][1]
    return text


def test_each_workflow_has_its_own_arguments() -> None:
    nursery = Nursery(TemplateShelf(), CountedIds())
    said = [command(nursery, greeting(value)) for value in ("ann", "bob", 5, "ann", 5.0, True)]
    assert said == ["ann", "bob", "5", "ann", "5", "true"]


def test_a_firing_gives_the_same_name_and_uid_every_time() -> None:
    first, second = (
        Nursery(TemplateShelf(), CountedIds()).bear(greeting("a"), NOW, firing="f").live
        for _ in range(2)
    )
    assert (first.uid, first.name) == (second.uid, second.name)
    other = (
        Nursery(TemplateShelf(), CountedIds()).bear(greeting("a"), NOW, firing="f", attempt=1).live
    )
    assert other.name != first.name


def test_metadata_is_looked_at_even_when_the_spec_is_known() -> None:
    nursery = Nursery(TemplateShelf(), CountedIds())
    nursery.bear(greeting("a"), NOW)
    with pytest.raises(InvalidManifest):
        nursery.bear(greeting("a", labels={"a": ["b"]}), NOW)
    with pytest.raises(InvalidManifest):
        nursery.bear(greeting("a", name="n" * 300), NOW)


def test_an_edited_template_reaches_the_next_workflow_and_not_the_last() -> None:
    shelf = TemplateShelf()
    nursery = Nursery(shelf, CountedIds())
    stored = greeting("old", name="t", namespace="default") | {"kind": "WorkflowTemplate"}
    shelf.apply(stored)
    using = {**workflow(), "spec": {"workflowTemplateRef": {"name": "t"}}}
    assert command(nursery, using) == "old"
    shelf.apply(greeting("new", name="t", namespace="default") | {"kind": "WorkflowTemplate"})
    assert command(nursery, using) == "new"
    overriding = {"parameters": [{"name": "who", "value": "mine"}]}
    assert command(nursery, {**using, "spec": {**using["spec"], "arguments": overriding}}) == "mine"


def test_a_nameless_workflow_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="generateName"):
        Nursery(TemplateShelf(), CountedIds()).bear(workflow(metadata={}), NOW)


class Noting(TemplateShelf):
    """Knows in which threads it was asked: what checks a manifest asks for the templates that it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[threading.Thread] = set()

    def template(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.add(threading.current_thread())
        return super().template(kind, namespace, name)


def dag(count: int, template: str = "leaf") -> dict[str, Any]:
    far = {"templateRef": {"name": "far", "template": template}}
    tasks = [{"name": f"t{i}", **far} for i in range(count)]
    return workflow({"name": "main", "dag": {"tasks": tasks}})


def noting() -> Noting:
    shelf = Noting()
    leaf = {"name": "leaf", "container": {"image": "i", "command": ["true"]}}
    shelf.apply(
        {"kind": "WorkflowTemplate", "metadata": {"name": "far"}, "spec": {"templates": [leaf]}}
    )
    return shelf


async def test_a_large_workflow_is_checked_in_a_thread_and_not_again_at_its_birth() -> None:
    shelf = noting()
    nursery = Nursery(shelf, CountedIds())
    await nursery.prepare(dag(4_000), NOW)
    assert shelf.asked
    assert threading.current_thread() not in shelf.asked
    shelf.asked.clear()
    born = nursery.bear(dag(4_000), NOW)
    assert not shelf.asked
    assert len(born.live.run.nodes) <= turn.SLICE + 1
    await nursery.prepare(dag(4_000), NOW)
    assert not shelf.asked


async def test_a_small_workflow_is_not_worth_a_thread() -> None:
    shelf = noting()
    await Nursery(shelf, CountedIds()).prepare(dag(40), NOW)
    assert not shelf.asked


async def test_what_is_wrong_with_a_large_workflow_is_told_beforehand() -> None:
    with pytest.raises(InvalidManifest, match="nowhere"):
        await Nursery(noting(), CountedIds()).prepare(dag(4_000, "nowhere"), NOW)
