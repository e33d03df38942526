"""A plugin is one file: found by its kind, imported on first use, never registered twice."""

import sys
from pathlib import Path

import pytest

from bireme.kit.registry import DuplicateKind, Registry, UnknownKind


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[type]:
    folder = tmp_path / "family_of_kinds"
    folder.mkdir()
    registry = Registry[type]("family_of_kinds")
    (folder / "__init__.py").write_text("")
    (folder / "argo_workflow.py").write_text(
        "import sys\nclass Plugin: pass\nsys.modules['registry_under_test'].it.register('argoWorkflow')(Plugin)\n"
    )
    holder = type(sys)("registry_under_test")
    holder.it = registry  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "registry_under_test", holder)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.startswith("family_of_kinds")]:
        monkeypatch.delitem(sys.modules, name)
    return registry


def test_a_kind_is_imported_when_first_asked_for(family: Registry[type]) -> None:
    assert "family_of_kinds.argo_workflow" not in sys.modules
    assert family["argoWorkflow"].__name__ == "Plugin"
    assert "argoWorkflow" in family


def test_an_unknown_kind_names_the_known_ones(family: Registry[type]) -> None:
    with pytest.raises(UnknownKind, match="argoWorkflow"):
        family["carrierPigeon"]


def test_two_modules_with_one_kind_are_both_named(family: Registry[type]) -> None:
    ours = type("Ours", (), {"__module__": "mine"})
    theirs = type("Theirs", (), {"__module__": "yours"})
    family.register("dove")(ours)
    with pytest.raises(DuplicateKind, match="mine and by yours"):
        family.register("dove")(theirs)
